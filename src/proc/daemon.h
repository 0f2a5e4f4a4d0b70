/*
 * daemon.h - leaving the terminal, and finding the way back to one's own file.
 */
#ifndef SLV_DAEMON_H
#define SLV_DAEMON_H

/*
 * Goes on in a child of its own session. The process that was started by hand waits until a byte is
 * written to the descriptor that is returned and then exits with status 0; with status 1 where it
 * is closed without. So whoever has started the server knows when it serves. After a minute it
 * waits no longer and exits with status 0. -1 after logging.
 */
int daemon_begin(void);

/* Says that the server serves, and closes the descriptor. */
void daemon_succeeded(int *fd);

/* The file that a program was started from, for starting it again; from the heap. */
char *daemon_program(const char *arg0);

#endif

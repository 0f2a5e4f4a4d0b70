/*
 * signals.c - signals: what they are called, and how the master gets them.
 */
#include "proc/signals.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct {
    int signo;
    const char *name;
    const char *word;              /* of -s; NULL: none */
} table[] = {
    { SIGHUP, "SIGHUP", "reload" },  { SIGUSR1, "SIGUSR1", "reopen" },
    { SIGWINCH, "SIGWINCH", NULL },  { SIGTERM, "SIGTERM", "stop" },
    { SIGQUIT, "SIGQUIT", "quit" },  { SIGUSR2, "SIGUSR2", NULL },
    { SIGINT, "SIGINT", NULL },      { SIGCHLD, "SIGCHLD", NULL },
};

#define TABLE_COUNT (sizeof table / sizeof *table)

static sigset_t before;            /* the mask that this process was started with */
static bool blocked;

/* The signals of the table. */
static sigset_t all(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < TABLE_COUNT; i++)
        sigaddset(&set, table[i].signo);
    return set;
}

void signals_block(void)
{
    sigset_t set = all();

    AN(!blocked);
    blocked = true;
    AN(sigprocmask(SIG_BLOCK, &set, &before) == 0);
    signal(SIGPIPE, SIG_IGN);
    /* Started by something that ignores it, the deaths of children would go unnoticed. */
    signal(SIGCHLD, SIG_DFL);
}

int signals_open(void)
{
    sigset_t set = all();
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);

    if (fd < 0) {
        log_emerg(errno, "signalfd() failed");
        exit(EXIT_FAILURE);
    }
    return fd;
}

bool signals_next(int fd, struct signal_got *got)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
        return false;
    got->signo = (int)info.ssi_signo;
    got->from = (pid_t)info.ssi_pid;
    return true;
}

void signals_restore(void)
{
    signal(SIGPIPE, SIG_DFL);
    AN(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}

void signals_unblock(void)
{
    sigset_t set = all();

    AN(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

const char *signals_name(int signo)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (table[i].signo == signo)
            return table[i].name;
    return "signal";
}

int signals_of_word(const char *word)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (table[i].word && strcmp(table[i].word, word) == 0)
            return table[i].signo;
    NEVER("an option that was checked");
}

/*
 * about.h - what this program was built from.
 */
#ifndef SLV_ABOUT_H
#define SLV_ABOUT_H

#include <stdio.h>

/* The build settings, for -V. */
void about_show(FILE *out);

/* Version and host, at notice, for the first lines of a start. */
void about_log(void);

#endif

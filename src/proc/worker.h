/*
 * worker.h - the process that serves visitors.
 */
#ifndef SLV_WORKER_H
#define SLV_WORKER_H

#include "core/config.h"

struct hub;

struct worker_start {
    struct config *config;         /* freed by the worker */
    unsigned slot;
    int channel;                   /* to the master; -1: there is none (master_process off) */
    int words;                     /* where last words go; -1: only to standard error */
    struct hub *hub;               /* NULL: there is none */
    unsigned seat;                 /* in the hub */
    bool take_stderr;              /* standard error goes to the error log */
};

/*
 * Runs in the process that calls it, until it is told to end, then exits: 0, or EXIT_FATAL of
 * slots.h where starting it again is of no use. Signals are blocked when it is called.
 */
_Noreturn void worker_main(const struct worker_start *start);

#endif

/*
 * privileges.c - what a process that serves visitors may not do.
 */
#include "proc/privileges.h"

#include "base/check.h"

#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* worker_rlimit_nofile, worker_rlimit_core. */
static void set_limits(const struct process_conf *process)
{
    rlim_t files = (rlim_t)process->worker_rlimit_nofile;
    rlim_t core = (rlim_t)process->worker_rlimit_core;

    if (files && setrlimit(RLIMIT_NOFILE, &(struct rlimit){ files, files }) != 0)
        log_alert(errno, "setrlimit(RLIMIT_NOFILE, %llu) failed", (unsigned long long)files);
    if (core && setrlimit(RLIMIT_CORE, &(struct rlimit){ core, core }) != 0)
        log_alert(errno, "setrlimit(RLIMIT_CORE, %llu) failed", (unsigned long long)core);
}

/*
 * What may not be dumped cannot be looked into by other programs of the account either, and there
 * are keys in it. Where the account has not changed, whoever started us has the same right.
 */
static void hide_memory(const struct process_conf *process)
{
    if (prctl(PR_SET_DUMPABLE, process->worker_rlimit_core > 0, 0, 0, 0) != 0)
        log_alert(errno, "prctl(PR_SET_DUMPABLE) failed");
}

void privileges_raise_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_alert(errno, "setrlimit(RLIMIT_NOFILE, %llu) failed",
                  (unsigned long long)files.rlim_max);
}

/* The account's other groups. One that was chosen by default has no name here, and none of them. */
static int set_groups(const struct process_conf *process, gid_t gid)
{
    return process->user.n ? initgroups(process->user.p, gid) : setgroups(1, &gid);
}

/* Becomes another account, in the order that leaves nothing behind. 0, or -1 after logging. */
static int become(const struct process_conf *process)
{
    uid_t uid = (uid_t)process->uid;
    gid_t gid = (gid_t)process->gid;

    if (setgid(gid) != 0) {
        log_emerg(errno, "setgid(%lld) failed", (long long)process->gid);
        return -1;
    }
    /* Going on would leave it the groups of root. */
    if (set_groups(process, gid) != 0) {
        log_emerg(errno, "initgroups(%.*s, %lld) failed", STR_ARG(process->user),
                  (long long)process->gid);
        return -1;
    }
    if (setuid(uid) != 0) {
        log_emerg(errno, "setuid(%lld) failed", (long long)process->uid);
        return -1;
    }
    AN(geteuid() == uid && getegid() == gid);
    return 0;
}

int privileges_drop(const struct process_conf *process)
{
    bool changes = process->uid >= 0 && geteuid() == 0;

    set_limits(process);
    if (changes && become(process) != 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        log_alert(errno, "prctl(PR_SET_NO_NEW_PRIVS) failed");
    if (changes)
        hide_memory(process);
    return 0;
}

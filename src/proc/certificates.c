/*
 * certificates.c - TLS certificates that are replaced without a reload, and the warnings before
 * they end.
 *
 * The master looks at the files of the generation that serves: when inotify says that something has
 * changed on the way to one of them and it has been quiet for a moment, and every minute for what
 * inotify does not see. What is good it puts into its own contexts, which workers to come inherit,
 * and hands to those that there are. What is broken is looked at once more, because certificate and
 * key are written one after the other, and then told once.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "core/server.h"
#include "io/tls_pair.h"
#include "proc/channel.h"
#include "proc/clock.h"
#include "proc/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SETTLES_AFTER 500          /* ms without another change */
#define SETTLES_WITHIN 5000        /* ms, where changes do not end */
#define LOOK_PAUSE 60000           /* ms between two looks without a sign of change */
#define RETRY_AFTER 1000           /* ms until a worker whose channel is full is asked again */
#define DAY 86400                  /* seconds */

/* Days before the end at which the log is told; 0: it has come. */
static const int thresholds[] = { 0, 1, 3, 7, 14, 30 };

/* ---- Looking --------------------------------------------------------------------------------- */

/* Something has changed on the way to a file. */
static void on_changed(void *arg, unsigned key)
{
    struct master *m;

    (void)key;
    CAST_OBJ(m, arg, MASTER_MAGIC);
    if (m->certificates.changed == MS_NEVER)
        m->certificates.changed = clock_now();
    m->certificates.settles = clock_now() + SETTLES_AFTER;
}

/* The descriptor of inotify has something. */
static void on_watch(void *arg, short events)
{
    struct master *m;

    (void)events;
    CAST_OBJ(m, arg, MASTER_MAGIC);
    watch_read(m->certificates.watch, on_changed, m);
}

void certificates_poll(struct master *m, struct pollset *p)
{
    if (m->certificates.watch)
        pollset_add(p, watch_fd(m->certificates.watch), POLLIN, on_watch, m);
}

/* Begins with the generation that serves now. */
static void follow(struct master *m)
{
    const struct config *config = m->serving->config;

    certificates_forget(m);
    m->certificates.generation = m->serving->number;
    m->certificates.changed = m->certificates.settles = MS_NEVER;
    m->certificates.look_at = MS_NEVER;
    if (!tls_pair_next(config, NULL))
        return;
    m->certificates.look_at = clock_now();
    m->certificates.watch = watch_new();
    if (!m->certificates.watch)
        log_warn(errno, "inotify_init() failed, new certificates are noticed within a minute");
    for (struct tls_pair *p = tls_pair_next(config, NULL); p; p = tls_pair_next(config, p)) {
        stapler_plan(p);
        for (size_t i = 0; m->certificates.watch && i < TLS_FILE_COUNT; i++)
            if (p->files[i])
                watch_add(m->certificates.watch, 0, p->files[i]);
    }
}

/* Tells of names that the servers of a pair have and its certificate has not. */
static void check_names(const struct config *config, const struct tls_pair *p)
{
    for (const struct server *s = config->servers; s; s = s->next) {
        if (s->tls != p->context)
            continue;
        for (const struct server_name *n = s->names; n; n = n->next) {
            struct str text = n->text;

            if (text.n && text.p[0] == '.')
                text = str_from(text, 1);
            /* "_" and the like are no names that anybody could ask for. */
            if (!n->regex && text.n && memchr(text.p, '.', text.n) && text.p[text.n - 1] != '*'
                && !tls_pair_covers(p, text))
                log_warn(0, "the certificate \"%s\" is not for the server_name \"%.*s\"",
                         p->files[TLS_FILE_CERTIFICATE], STR_ARG(n->text));
        }
    }
}

/* Workers are to know of a change. */
static void spread(struct master *m, struct tls_pair *p)
{
    p->serial = ++m->certificates.serial;
    m->certificates.retry_at = clock_now();
}

/* There is a new certificate. */
static void renewed(struct master *m, struct tls_pair *p, const char *warning)
{
    if (p->first)
        log_notice(0, "the certificate \"%s\" has been replaced without a reload",
                   p->files[TLS_FILE_CERTIFICATE]);
    if (warning[0] && p->first)
        log_warn(0, "%s", warning);
    check_names(m->serving->config, p);
    p->warned = INT_MAX;
    p->asked = false;
    stapler_plan(p);
    spread(m, p);
}

/* The response in ssl_stapling_file may be another one. */
static void read_staple(struct master *m, struct tls_pair *p)
{
    char why[512];

    if (!p->files[TLS_FILE_STAPLE])
        return;
    if (tls_staple_read(p, why, sizeof why))
        log_error(0, "cannot use \"ssl_stapling_file\" \"%s\": %s", p->files[TLS_FILE_STAPLE], why);
    else
        spread(m, p);
}

/* Looks at one pair. True: it is broken, for the first time. */
static bool look_at(struct master *m, struct tls_pair *p)
{
    char why[768], warning[768] = "";
    bool changed = tls_pair_changed(p), again = p->suspect && !changed;
    enum tls_renewal renewal;

    p->suspect = false;
    if (!changed && !again)
        return false;
    renewal = tls_pair_renew(p, why, warning, sizeof why);
    if (renewal == TLS_PAIR_RENEWED)
        renewed(m, p, warning);
    if (renewal != TLS_PAIR_BROKEN && changed)
        read_staple(m, p);
    if (renewal == TLS_PAIR_BROKEN && again && p->first)
        log_error(0, "%s; the certificate that was read before goes on serving", why);
    p->suspect = renewal == TLS_PAIR_BROKEN && !again;
    return p->suspect;
}

/* ---- Warnings -------------------------------------------------------------------------------- */

/* Tells of a certificate that is about to end. Those that live briefly are renewed late. */
static void check_end(struct tls_pair *p)
{
    int64_t left = p->not_after - (int64_t)time(NULL), life = p->not_after - p->not_before;
    char names[256];

    for (size_t i = 0; i < sizeof thresholds / sizeof thresholds[0]; i++) {
        if (thresholds[i] >= p->warned)
            return;
        if (left > (int64_t)thresholds[i] * DAY || (int64_t)thresholds[i] * DAY > life / 2)
            continue;
        p->warned = thresholds[i];
        tls_pair_names(p, names, sizeof names);
        if (thresholds[i] == 0)
            log_error(0, "the certificate \"%s\" (%s) has expired", p->files[TLS_FILE_CERTIFICATE],
                      names);
        else
            log_warn(0, "the certificate \"%s\" (%s) expires in %lld days and %lld hours",
                     p->files[TLS_FILE_CERTIFICATE], names, (long long)(left / DAY),
                     (long long)(left % DAY / 3600));
        return;
    }
}

void certificates_carry_over(struct master *m, const struct config *old)
{
    const struct config *config = m->serving->config;
    struct table known = { 0 };

    for (struct tls_pair *o = tls_pair_next(old, NULL); o; o = tls_pair_next(old, o))
        if (o->first)
            table_set(&known, str_of(o->files[TLS_FILE_CERTIFICATE]), o);
    for (struct tls_pair *p = tls_pair_next(config, NULL); p; p = tls_pair_next(config, p)) {
        const struct tls_pair *o = table_get(&known, str_of(p->files[TLS_FILE_CERTIFICATE]));

        if (o && tls_pair_same(p, o)) {
            p->warned = o->warned;
            p->silent_until = o->silent_until;
        }
    }
    table_free(&known);
}

/* ---- Handing over ---------------------------------------------------------------------------- */

/* What a worker has to be told of next, or NULL. */
static struct tls_pair *next_for(const struct master *m, const struct child *c)
{
    const struct config *config = m->serving->config;
    struct tls_pair *next = NULL;

    for (struct tls_pair *p = tls_pair_next(config, NULL); p; p = tls_pair_next(config, p))
        if (p->serial > c->certificates_sent && (!next || p->serial < next->serial))
            next = p;
    return next;
}

/* Sends a worker what it lacks. False: there is no room in its channel. */
static bool hand_over(const struct master *m, struct child *c)
{
    const struct channel_message message = { .what = CHANNEL_CERTIFICATE };
    struct tls_pair *p;
    int fd, error = 0;

    if (c->kind != CHILD_WORKER || c->channel < 0 || c->generation != m->serving)
        return true;
    while (!error && (p = next_for(m, c))) {
        fd = tls_pair_pack(p);
        if (fd < 0 || channel_send(c->channel, &message, fd) != 0)
            error = errno ? errno : EIO;
        else
            c->certificates_sent = p->serial;
        if (fd >= 0)
            close(fd);
    }
    if (error && error != EAGAIN && error != EPIPE)
        log_alert(error, "a certificate cannot be handed to worker process %ld", (long)c->pid);
    return error != EAGAIN;
}

/* ---- The rest -------------------------------------------------------------------------------- */

void certificates_stapled(struct master *m, struct tls_pair *p)
{
    spread(m, p);
}

ms_t certificates_next(const struct master *m)
{
    const struct certificates *c = &m->certificates;
    ms_t next = c->look_at < c->retry_at ? c->look_at : c->retry_at;

    return c->settles < next ? c->settles : next;
}

/* The changes of which inotify has told have settled. */
static bool has_settled(const struct certificates *c, ms_t now)
{
    return c->settles <= now || (c->changed != MS_NEVER && c->changed + SETTLES_WITHIN <= now);
}

void certificates_check(struct master *m)
{
    struct certificates *c = &m->certificates;
    bool all = true, broken = false;
    ms_t now = clock_now();

    CHECK_OBJ(m, MASTER_MAGIC);
    if (!m->serving)
        return;
    if (c->generation != m->serving->number)
        follow(m);
    if (c->look_at <= now || has_settled(c, now)) {
        const struct config *config = m->serving->config;

        c->changed = c->settles = MS_NEVER;
        for (struct tls_pair *p = tls_pair_next(config, NULL); p; p = tls_pair_next(config, p)) {
            broken = look_at(m, p) || broken;
            if (p->first)
                check_end(p);
        }
        c->look_at = now + (broken ? SETTLES_AFTER : LOOK_PAUSE);
    }
    if (c->retry_at > now)
        return;
    LIST_EACH(at, after, &m->children)
        all = hand_over(m, LIST_ITEM(at, struct child, link)) && all;
    c->retry_at = all ? MS_NEVER : now + RETRY_AFTER;
}

void certificates_forget(struct master *m)
{
    if (m->certificates.watch)
        watch_free(&m->certificates.watch);
}

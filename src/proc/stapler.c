/*
 * stapler.c - the process that asks for responses of OCSP, so that neither a worker nor the master
 * waits for a responder or reads what it says.
 *
 * It has the rights of a worker and no private key, asks for all that is due, one after the other,
 * and ends. What it has verified it says in lines: "pair CONTEXT NUMBER VERSION", "data HEX" …, and
 * "good FROM UNTIL REFRESH" or "bad WHY". The master keeps the bytes on disk and hands them on
 * without looking into them.
 */
#include "proc/state.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/tls.h"
#include "io/tls_pair.h"
#include "proc/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LINE_BYTES ((size_t)200)   /* of a response in a line */
#define RESPONSE_MAX ((size_t)65536)
#define PAUSE_FIRST 2000           /* ms after a failure; doubled every time */
#define PAUSE_LAST 3600000
#define SILENCE 3600000            /* ms between two lines about failures of one certificate */
#define EACH_WITHIN 15000          /* ms; all of them together, or the process is ended */

/* ---- In the stapler -------------------------------------------------------------------------- */

/* Says a response. A master that does not listen any more is gone. */
static void say_staple(int words, const struct tls_staple *staple)
{
    for (size_t at = 0; at < staple->size; at += LINE_BYTES) {
        char hex[2 * LINE_BYTES + 1] = "";

        for (size_t i = 0; i < LINE_BYTES && at + i < staple->size; i++)
            sprintf(hex + 2 * i, "%02x", staple->der[at + i]);
        if (dprintf(words, "data %s\n", hex) < 0)
            exit(EXIT_SUCCESS);
    }
    if (dprintf(words, "good %lld %lld %lld\n", (long long)staple->from, (long long)staple->until,
                (long long)staple->refresh) < 0)
        exit(EXIT_SUCCESS);
}

/* struct aide: run */
static void ask_all(struct master *m, struct generation *g, int words, const void *arg)
{
    struct tls_staple staple;
    char why[400];

    (void)m, (void)arg;
    for (struct tls_pair *p = tls_pair_next(g->config, NULL); p; p = tls_pair_next(g->config, p)) {
        if (!p->asked)
            continue;
        dprintf(words, "pair %zu %u %llu\n", tls_pair_context(p), p->number,
                (unsigned long long)p->version);
        if (tls_staple_ask(p, &staple, why, sizeof why))
            dprintf(words, "bad %s\n", why);
        else
            say_staple(words, &staple);
    }
}

/* ---- In the master --------------------------------------------------------------------------- */

/* Marks what is due. How many. */
static unsigned mark_due(const struct config *config)
{
    unsigned count = 0;
    ms_t now = clock_now();

    for (struct tls_pair *p = tls_pair_next(config, NULL); p; p = tls_pair_next(config, p)) {
        p->asked = p->ask_at <= now;
        count += p->asked;
    }
    return count;
}

/* A question has been answered badly, or not at all. */
static void failed(struct tls_pair *p, const char *why)
{
    ms_t now = clock_now();

    p->asked = false;
    p->ask_pause = p->ask_pause ? p->ask_pause * 2 : PAUSE_FIRST;
    if (p->ask_pause > PAUSE_LAST)
        p->ask_pause = PAUSE_LAST;
    p->ask_at = now + p->ask_pause;
    if (now < p->silent_until)
        return;
    p->silent_until = now + SILENCE;
    log_error(0, "%s%s", why, p->staple.der ? "; the one before is sent as long as it holds" : "");
}

void stapler_plan(struct tls_pair *p)
{
    int64_t pause = p->staple.der ? p->staple.refresh - (int64_t)time(NULL) : 0;

    p->ask_pause = 0;
    p->ask_at = tls_staple_wanted(p) ? clock_now() + (pause > 0 ? pause * 1000 : 0) : MS_NEVER;
}

/* What half a byte is written as. -1: nothing. */
static int half_of(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = digit ? strchr(digits, digit) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Takes a part of a response. */
static void take_data(struct child *c, const char *hex)
{
    if (!c->data)
        c->data = mem_alloc(RESPONSE_MAX);
    while (c->data_size < RESPONSE_MAX && half_of(hex[0]) >= 0 && half_of(hex[1]) >= 0) {
        c->data[c->data_size++] = (unsigned char)(half_of(hex[0]) << 4 | half_of(hex[1]));
        hex += 2;
    }
}

/* A response is whole. */
static void take_staple(struct master *m, struct child *c, struct tls_pair *p, int64_t from,
                        int64_t until, int64_t refresh)
{
    bool first = !p->staple.der;

    p->asked = false;
    p->silent_until = 0;
    if (tls_staple_put(p, c->data, c->data_size, from, until, refresh) != 0)
        log_error(errno, "an OCSP response cannot be kept in \"ssl_stapling_cache\"");
    stapler_plan(p);
    if (first)
        log_notice(0, "the certificate \"%s\" has an OCSP response",
                   p->files[TLS_FILE_CERTIFICATE]);
    certificates_stapled(m, p);
}

/* struct aide: hear */
static void stapler_hear(struct child *c, const char *line)
{
    struct master *m = c->master;
    long long from, until, refresh;
    unsigned long long version;
    struct tls_pair *p = c->pair;
    size_t context;
    unsigned number;

    CHECK_OBJ(c, CHILD_MAGIC);
    if (c->leaving || c->generation != m->serving)
        return;
    if (sscanf(line, "pair %zu %u %llu", &context, &number, &version) == 3) {
        c->pair = tls_pair_at(c->generation->config, context, number);
        /* It may have been replaced meanwhile. */
        if (c->pair && (c->pair->version != version || !c->pair->asked))
            c->pair = NULL;
        c->data_size = 0;
    } else if (p && strncmp(line, "data ", 5) == 0) {
        take_data(c, line + 5);
    } else if (p && sscanf(line, "good %lld %lld %lld", &from, &until, &refresh) == 3) {
        c->pair = NULL;
        if (c->data_size)
            take_staple(m, c, p, from, until, refresh);
    } else if (p && strncmp(line, "bad ", 4) == 0) {
        c->pair = NULL;
        failed(p, line + 4);
    }
}

/* struct aide: ended */
static void stapler_ended(struct master *m, struct child *c, int status)
{
    const struct config *config = c->generation->config;

    (void)status;
    if (c->leaving || c->generation != m->serving)
        return;
    for (struct tls_pair *p = tls_pair_next(config, NULL); p; p = tls_pair_next(config, p))
        if (p->asked)
            failed(p, "the process that asks for OCSP responses has ended without an answer");
}

static const struct aide stapler = {
    .kind = CHILD_STAPLER, .level = SLV_LOG_INFO,
    .run = ask_all, .hear = stapler_hear, .ended = stapler_ended
};

/* Starts the process for what is marked. 0, or -1 after logging. */
static int start_stapler(struct master *m, unsigned count)
{
    struct child *c = aide_start(m, &stapler, m->serving, NULL);

    if (!c)
        return -1;
    c->nudge_at = clock_now() + (ms_t)count * EACH_WITHIN;
    return 0;
}

/* The stapler, or NULL. */
static struct child *find_stapler(const struct master *m)
{
    LIST_EACH(at, after, &m->children)
        if (LIST_ITEM(at, struct child, link)->kind == CHILD_STAPLER)
            return LIST_ITEM(at, struct child, link);
    return NULL;
}

ms_t stapler_next(const struct master *m)
{
    const struct config *config = m->serving ? m->serving->config : NULL;
    ms_t next = MS_NEVER;

    if (!config || !m->started || m->workers_stopped || find_stapler(m))
        return next;
    for (struct tls_pair *p = tls_pair_next(config, NULL); p; p = tls_pair_next(config, p))
        if (p->ask_at < next)
            next = p->ask_at;
    return next;
}

void stapler_check(struct master *m)
{
    struct child *c = find_stapler(m);
    unsigned count;

    CHECK_OBJ(m, MASTER_MAGIC);
    if (c && !c->leaving && (m->state != MASTER_RUNS || c->generation != m->serving))
        child_terminate(c);
    if (m->state != MASTER_RUNS || stapler_next(m) > clock_now())
        return;
    count = mark_due(m->serving->config);
    if (count && start_stapler(m, count) != 0)
        for (struct tls_pair *p = tls_pair_next(m->serving->config, NULL); p;
             p = tls_pair_next(m->serving->config, p))
            if (p->asked)
                failed(p, "no process can be started that asks for OCSP responses");
}

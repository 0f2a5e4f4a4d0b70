/*
 * fuzz_target.c - request-targets, paths and Host values from hostile peers.
 *
 * The input is one request-target; it is also tried as a path and as a Host value. A broken
 * promise of target.h aborts.
 */
#include "http/target.h"
#include "fuzz.h"

/* s contains the bytes of what. */
static bool contains(struct str s, struct str what)
{
    for (; s.n >= what.n; s = str_from(s, 1))
        if (str_starts(s, what))
            return true;
    return false;
}

/* A decoded path is absolute, has no dot segments, no NUL, and is no longer than the raw one. */
static void try_path(struct str raw, bool merge)
{
    char *out = malloc(raw.n + 1);
    ssize_t n;
    struct str path;

    promise(out != NULL);
    n = target_decode(raw, out, raw.n, merge);
    if (n < 0) {
        promise(n == -1 && !target_is_plain(raw, merge));
        free(out);
        return;
    }
    path = (struct str){ out, (size_t)n };
    promise(path.n >= 1 && path.n <= raw.n && path.p[0] == '/');
    promise(!contains(path, STR("/../")) && !contains(path, STR("/./")));
    promise(!str_ends(path, STR("/..")) && !str_ends(path, STR("/.")));
    promise(memchr(path.p, '\0', path.n) == NULL || memchr(raw.p, '\0', raw.n) != NULL);
    if (merge)
        promise(!contains(path, STR("//")));
    if (target_is_plain(raw, merge))
        promise(str_eq(path, raw));
    if (raw.n > 0)
        promise(target_decode(raw, out, raw.n - 1, merge) == -1);
    free(out);
}

/* A host that was taken apart is lower case, whole, and still a host. */
static void try_host(struct str value)
{
    char *lower = malloc(value.n + 1), *again = malloc(value.n + 1);
    struct str host, port, host2, port2;
    bool valid = target_host_valid(value);

    promise(lower != NULL && again != NULL);
    promise((target_host_split(value, lower, value.n, &host, &port) == 0) == valid);
    if (valid) {
        promise(host.n + port.n <= value.n);
        for (size_t i = 0; i < host.n; i++)
            promise(host.p[i] == str_lower(host.p[i]) && host.p[i] > ' ');
        promise(target_host_split(host, again, host.n, &host2, &port2) == 0 && port2.n == 0);
        promise(str_starts(host, host2) && host.n - host2.n <= 1);
    }
    free(again);
    free(lower);
}

/* One input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str raw = { (const char *)data, size };

    for (int options = 0; options <= 1; options++) {
        struct target t;

        if (target_parse(raw, options, &t) != 0) {
            promise(t.form == TARGET_BAD && t.path.n == 0);
            continue;
        }
        promise(t.form != TARGET_BAD && t.path.n > 0);
        promise((t.form == TARGET_ASTERISK) == str_eq(t.path, STR("*")));
        promise((t.form == TARGET_ABSOLUTE) == (t.authority.n > 0));
        promise(t.form == TARGET_ASTERISK || t.path.p[0] == '/');
        promise(memchr(t.path.p, '?', t.path.n) == NULL && (t.has_args || t.args.n == 0));
        try_path(t.path, true);
        try_path(t.path, false);
        if (t.form == TARGET_ABSOLUTE)
            promise(target_host_valid(t.authority));
    }
    try_path(raw, true);
    try_path(raw, false);
    try_host(raw);
    return 0;
}

/*
 * target.h - the request-target: what the second word of a request line means.
 *
 * RFC 9112 §3.2 gives its forms, RFC 3986 its characters. The way of a target is: target_parse()
 * splits it into views; target_is_plain() asks whether the path can be used as it was sent, which
 * is what nearly every path says; target_decode() makes the path that files and routes are matched
 * against when it cannot. The Host field's value shares the grammar of an authority and is judged
 * here as well.
 *
 * Nothing is allocated. Every str handed out is a view into the argument, or into the caller's
 * buffer, and lives as long as those bytes do.
 */
#ifndef SLV_TARGET_H
#define SLV_TARGET_H

#include <selvage/str.h>

#include <stdbool.h>
#include <sys/types.h>

enum target_form {
    TARGET_ORIGIN,   /* "/path?args" */
    TARGET_ABSOLUTE, /* "http://host:port/path?args" */
    TARGET_ASTERISK, /* "*", the server as a whole */
    TARGET_BAD       /* nothing that this server answers */
};

struct target {
    enum target_form form;
    struct str authority; /* host[:port] of the absolute form; it overrides Host. Else empty */
    struct str path;      /* as sent; "/" when the absolute form has none; "*" for the asterisk */
    struct str args;      /* as sent, what follows the first '?', without it */
    bool has_args;        /* there was a '?', even with nothing after it */
};

/*
 * Splits a request-target (RFC 9112 §3.2).
 * raw: the bytes between the two spaces of the request line.
 * options: the method is OPTIONS, the only one that may ask for "*" (§3.2.4).
 * out: always set; on failure its form is TARGET_BAD and the rest is empty. Views into raw, except
 * for the "/" that stands for the empty path of an absolute form, which lives for ever.
 * Refused: control bytes, blanks and '#' anywhere; schemes other than http and https (any case);
 * an authority that is empty, has userinfo, or fails target_host_valid(); the authority form, since
 * this server tunnels nothing. Bytes from 0x80 on and the printable bytes that RFC 3986 wants
 * encoded ('"', '<', '>', '\\', '^', '`', '{', '|', '}') pass in path and args: browsers send them.
 * Percent-escapes are not looked at.
 * Returns 0, or -1 for a 400.
 */
int target_parse(struct str raw, bool options, struct target *out);

/*
 * The path equals its own decoded form, so the raw view may be used in its place: it starts with
 * '/', has no '%', no segment that starts with a dot, and, if merge_slashes, no "//". A true answer
 * is exact; a false one may be caution ("/.well-known/x").
 */
bool target_is_plain(struct str raw_path, bool merge_slashes);

/*
 * Decodes percent-escapes (RFC 3986 §2.1) and removes dot segments (§5.2.4), in this order: an
 * escaped dot or slash counts as one. With merge_slashes, runs of slashes become one slash, before
 * dot segments are resolved. What was decoded once is not decoded again.
 * raw_path: the path of an origin or absolute form.
 * out: receives the path, not NUL-terminated, starting with '/'. It may hold any byte but NUL, line
 * feeds among them: quote it before it goes into a header or a log. Its content is undefined after
 * a failure. It must not overlap raw_path.
 * size: bytes in out; raw_path.n are needed, and never more.
 * Returns the length, 1..raw_path.n; or -1 when the path does not start with '/', an escape is cut
 * short or not hexadecimal or %00, a ".." leads above the root, or size is too small.
 */
ssize_t target_decode(struct str raw_path, char *out, size_t size, bool merge_slashes);

/*
 * host[:port] as Host carries it (RFC 9110 §7.2, RFC 3986 §3.2.2): a registered name, an IPv4
 * address, or an IPv6 address in brackets; then at most a colon and a port of digits, or none, up
 * to 65535. The host may be empty, as a client sends it that has no authority. Zone identifiers and
 * IPvFuture are refused, and so are two dots in a row, which no name has and a path must not get.
 * The value must be without OWS around it.
 */
bool target_host_valid(struct str host);

/*
 * Takes a Host value or an authority apart into the name to look up and the port.
 * lower, size: where the lower-case name goes; value.n bytes always suffice.
 * host: a view into lower, without port and without one trailing dot; brackets stay. May be empty.
 * port: a view into value; empty when there is none.
 * Returns 0, or -1 when target_host_valid() is false or lower is too small; then nothing is set.
 */
int target_host_split(struct str value, char *lower, size_t size, struct str *host,
    struct str *port);

#endif

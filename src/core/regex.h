/*
 * regex.h - regular expressions of the configuration (PCRE2), behind slv_regex_compile() and
 * slv_regex_match().
 *
 * Patterns and subjects are bytes, not UTF-8. How much work one match may cause is bounded,
 * because subjects come from peers: beyond it the subject does not match and the error log says
 * so.
 */
#ifndef SLV_REGEX_H
#define SLV_REGEX_H

#include "core/config.h"

/* Groups of the pattern, without the whole match. */
unsigned regex_groups(const struct slv_regex *re);

/* The pattern as it was written. */
struct str regex_pattern(const struct slv_regex *re);

#endif

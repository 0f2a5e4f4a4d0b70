/*
 * conditional.c - preconditions in their order of precedence.
 */
#include "http/conditional.h"

#include "base/check.h"
#include "http/date.h"
#include "http/etag.h"

/* Says whether the value of If-Match or If-None-Match names what there is. */
static bool names_current(const struct conditions *c, struct str list, bool weak_compare)
{
    if (c->absent)
        return false;
    return str_eq(str_trim(list), STR("*")) || etag_list_match(list, c->etag, weak_compare);
}

/* Reads the date of a field that is to count; false when it is to be ignored. */
static bool usable_date(const struct conditions *c, struct str value, time_t *date)
{
    return value.p != NULL && !c->absent && c->last_modified != COND_NO_DATE
        && date_parse(value, c->now, date) == 0;
}

/* Says whether If-Modified-Since finds the representation unmodified. */
static bool unmodified(const struct conditions *c)
{
    time_t date;

    if (c->ims_mode == IMS_OFF || !usable_date(c, c->if_modified_since, &date))
        return false;
    return c->ims_mode == IMS_EXACT ? c->last_modified == date : c->last_modified <= date;
}

/* Evaluates all preconditions. */
enum cond_result cond_evaluate(const struct conditions *c)
{
    time_t date;

    AN(c != NULL);
    if (c->if_match.p != NULL) {
        if (!names_current(c, c->if_match, false))
            return COND_FAILED;
    } else if (usable_date(c, c->if_unmodified_since, &date) && c->last_modified > date) {
        return COND_FAILED;
    }
    if (c->if_none_match.p != NULL) {
        if (!names_current(c, c->if_none_match, true))
            return COND_PASS;
        return c->get_or_head ? COND_NOT_MODIFIED : COND_FAILED;
    }
    return c->get_or_head && unmodified(c) ? COND_NOT_MODIFIED : COND_PASS;
}

/* Says whether If-Range holds. */
bool cond_if_range(struct str value, struct str etag, time_t last_modified)
{
    struct etag asked, own;
    time_t date;

    if (etag_parse(value, &asked) == 0)
        return etag_parse(etag, &own) == 0 && etag_equal(&asked, &own, false);
    /*
     * A date that is equal lies within 50 years of last_modified, which therefore settles the
     * century of a two-digit year as well as the present would.
     */
    return last_modified != COND_NO_DATE && date_parse(value, last_modified, &date) == 0
        && date == last_modified;
}

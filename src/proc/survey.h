/*
 * survey.h - "-t --nginx": what of an nginx configuration would not work here.
 */
#ifndef SLV_SURVEY_H
#define SLV_SURVEY_H

#include "core/config.h"

/*
 * Reads the configuration and lists on standard output what would not work, the weightiest first.
 * The exit status: success where everything would.
 */
int survey_run(const struct config_source *source);

#endif

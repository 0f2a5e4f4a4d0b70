/*
 * test_hub.h - what the sources of the program test_hub share.
 */
#ifndef SLV_TEST_HUB_H
#define SLV_TEST_HUB_H

#include "suite.h"

#include "core/hub.h"

/* The tests of each source, ended by CU_TEST_INFO_NULL. */
extern CU_TestInfo hub_log_tests[];
extern CU_TestInfo hub_death_tests[];
extern CU_TestInfo hub_worker_tests[];
extern CU_TestInfo hub_shared_tests[];

/* A small hub, in seat 0 of 4. */
struct hub *hub_make(unsigned channels, size_t ring);

/* Publishes text, at time 0 if the bounds do not speak of age. The id, or 0 with the result. */
uint64_t hub_say(struct hub *h, const char *channel, const char *text,
                 enum slv_hub_result *result);

/* Subscribes; the test fails where that does. */
struct hub_place hub_listen(struct hub *h, const char *channel, uint64_t after);

/*
 * Runs work(h) in a process that kills itself at a step. True: it did; false: it had fewer steps
 * and went to its end.
 */
bool hub_killed_at(struct hub *h, unsigned long step, void (*work)(struct hub *h));

extern const struct hub_bounds hub_unbounded;
extern const struct slv_hub_most hub_any;

#endif

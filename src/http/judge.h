/*
 * judge.h - is a head whose lines are known one that may be served?
 *
 * What RFC 9112 wants of Host, the target, Content-Length, Transfer-Encoding, Connection, Expect
 * and Upgrade, whoever has found the lines: llhttp or scan.c.
 */
#ifndef SLV_JUDGE_H
#define SLV_JUDGE_H

#include "http/exchange.h"

/*
 * line, method, raw_target, version and the fields of x->req have been found. Finds the known
 * fields, takes target and Host apart, and decides about framing, keep-alive and upgrade. 0, or -1
 * after exchange_refuse().
 */
int judge_head(struct exchange *x);

#endif

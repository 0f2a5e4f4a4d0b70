/*
 * tunnel.h - another protocol on a connection that began with HTTP/1: the adapter.
 *
 * It stands between the shell and a protocol of <selvage/upgrade.h>, and keeps the exchange of the
 * request that asked for it until the connection is over.
 */
#ifndef SLV_TUNNEL_H
#define SLV_TUNNEL_H

#include <selvage/upgrade.h>

#include "conn/conn.h"
#include "http/exchange.h"

extern const struct adapter tunnel_adapter;

/*
 * Puts x's protocol in the place of the present adapter, which is freed. Takes x, and spent (from
 * the heap, or NULL), in which the views of x may lie until the end of this turn.
 */
void tunnel_begin(struct exchange *x, char *spent, ms_t now);

#endif

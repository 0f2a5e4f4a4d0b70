/*
 * config.h - one generation of the configuration: everything that a reload replaces.
 *
 * Made and checked by the master before it forks; workers only read it. Nothing here changes after
 * config_load(), except what is said to.
 */
#ifndef SLV_CONFIG_H
#define SLV_CONFIG_H

#include <selvage/module.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/table.h"
#include "core/conf.h"
#include "http/exchange.h"

struct tls_backend;
struct tls_context;
struct offer;
struct variables;
struct access_log;
struct vhosts;

/* The server by which several machines share channels. */
struct hub_backend {
    bool is_redis;                 /* else: none, and the rest means nothing */
    struct str host, path;         /* one of both; NUL behind all of these */
    struct str user, password, prefix;
    unsigned port, database;
    unsigned messages;             /* of all channels, that it keeps */
};

/* Directives of the main and events contexts. */
struct process_conf {
    int64_t worker_processes;      /* "auto" has been resolved */
    int64_t worker_connections;
    int64_t worker_rlimit_nofile;  /* 0: as it is */
    int64_t worker_rlimit_core;    /* bytes; 0: workers leave none */
    int64_t worker_shutdown_timeout; /* ms */
    int64_t drain_window;          /* ms */
    int64_t hub_size, hub_channels; /* those of the first configuration stay */
    struct hub_backend hub_backend; /* likewise */
    int64_t hub_history, hub_history_time, hub_history_size; /* 0: no bound; ms; bytes */
    struct str pid;                /* absolute path */
    struct str user, group;        /* names; empty: the account the master runs under */
    int64_t uid, gid;              /* resolved; -1: unchanged */
    bool daemon, master_process;
    bool accept_mutex, multi_accept; /* accepted for nginx's sake, without effect */
    struct log *error_log;         /* of the main context; NULL: the default path */
};

/* How the socket of an address is made; equal for all servers that name it. */
struct listen_options {
    int backlog;                   /* -1: default */
    int rcvbuf, sndbuf;            /* 0: as the kernel has it */
    int fastopen;                  /* queue length; 0: off */
    bool deferred, reuseport;
    int8_t ipv6only;               /* -1: not said */
    int8_t keepalive;              /* so_keepalive: -1 not said, 0 off, 1 on */
    int keepidle, keepintvl, keepcnt; /* seconds, seconds, count; 0: not said */
    int unix_mode;                 /* -1: default 0666 */
    int64_t unix_uid, unix_gid;    /* -1: unchanged */
};

/*
 * One address that servers listen on, with its virtual hosts. Several share a socket: [::]:80 and
 * *:80 always, a specific address where a wildcard of its port exists.
 */
struct listen_addr {
    unsigned magic;
#define LISTEN_ADDR_MAGIC 0x11573adau
    struct listen_addr *next;      /* of the same socket */
    struct addr addr;              /* ip all zero: any of its family; ADDR_NONE: any of both */
    struct str text;               /* as nginx would name it: 0.0.0.0:80, [::]:80, unix:/path */
    bool proxy_protocol;           /* connections begin with a PROXY header */
    struct vhosts *vhosts;
    const struct server *fallback; /* the default server */
    bool tls;                      /* "ssl": connections to it are encrypted */
};

/* One socket to be opened by the master. */
struct listen_socket {
    struct listen_socket *next;
    struct str key;                /* what makes two the same over reloads: "*:80", "unix:/path" */
    struct addr addr;              /* what to bind; ADDR_NONE with a port: dual stack, any */
    struct str path;               /* unix: absolute path */
    struct listen_options options;
    struct listen_addr *addrs;     /* specific ones first */
    bool needs_local;              /* more than one addr of a family: getsockname() tells which */
    struct str place;              /* FILE:LINE of the first listen directive, for messages */
    /* Set by proc when opened: one descriptor, or one per worker slot with reuseport. */
    int *fds;
    size_t fd_count;
};

struct config {
    unsigned magic;
#define CONFIG_MAGIC 0xc04f16e1u
    unsigned long generation;      /* counts from 1; set by the master */
    struct arena arena;
    struct str file;               /* absolute path of the main file */
    struct str prefix;             /* absolute, ends with '/' */
    struct process_conf *process;
    struct conf_modules modules;
    size_t *content;               /* modules with a content hook, in the order they are asked */
    size_t content_count;
    struct conf_block *http;       /* NULL where there is no http block */
    struct listen_socket *sockets;
    struct variables *variables;
    struct access_logs *access_default; /* what is logged where no access_log is named */
    struct access_log *access_logs; /* all of them, for flushing */
    struct log_file **log_files;   /* every one that this configuration names */
    size_t log_file_count;
    struct slv_image *images;      /* prebuilt images to be made and mapped */
    struct offer *offers;          /* what modules have for each other */
    struct server *servers, **servers_end;
    size_t server_count;
    int64_t tls_session_timeout;   /* ms, the longest of all servers with TLS; 0: there is none */
    struct tls_context **tls_contexts; /* those of the servers, each once */
    size_t tls_context_count;
    const struct tls_backend *tls; /* that made them; NULL: none are made */
};

/* Where a configuration comes from: the command line. */
struct config_source {
    const char *file;              /* -c, or the default */
    const char *prefix;            /* -p, or the default */
    const char *globals;           /* -g, or NULL */
    const char *error_log;         /* -e, or NULL */
    const char *text;              /* instead of the file, which is then only a name; or NULL */
    FILE *dump;                    /* -T: write the files there; NULL: do not */
    const struct tls_backend *tls; /* makes TLS contexts; NULL: none are made, no key is read */
};

/*
 * Reads, checks and links a configuration; opens and changes nothing on disk. NULL where there were
 * mistakes; all of them have gone to the report.
 */
struct config *config_load(const struct config_source *source, struct conf_report *report);

/* Gives everything back; modules stay loaded. */
void config_free(struct config **config);

#endif

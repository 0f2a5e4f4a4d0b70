/*
 * control.c - the control socket: who asks, who waits, and what they are told.
 */
#include "proc/control.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "proc/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define QUESTION_WITHIN 5000       /* ms */
#define ANSWER_MAX (16u << 20)     /* bytes that may wait for a client to read them */

enum client_state {
    CLIENT_SPEAKS,                 /* its question has not come yet */
    CLIENT_QUEUED,                 /* it waits for the next thing of its topic */
    CLIENT_TOLD,                   /* it hears about the one in hand */
    CLIENT_LEAVING,                /* it has had its last line, which may still be on its way */
    CLIENT_GONE
};

struct control_client {
    unsigned magic;
#define CONTROL_CLIENT_MAGIC 0xc0c11e17u
    struct link link;
    struct control *control;
    enum client_state state;
    enum control_topic topic;      /* while it waits for one */
    char *host;                    /* the one that it asked for; NULL: all */
    char *failure;                 /* what went wrong of that; NULL: nothing */
    int fd;
    ms_t deadline;                 /* for its question */
    char question[CONTROL_QUESTION_MAX];
    size_t question_size;
    char *answer;                  /* from the heap; NULL while nothing waits */
    size_t answer_size;
};

struct control {
    unsigned magic;
#define CONTROL_MAGIC 0xc0c7201du
    int fd;
    int spare;                     /* given up for a moment to turn somebody away */
    char *path;
    struct link clients;
    size_t client_count;
    control_asked *asked;
    void *arg;
};

/* ---- The socket ----------------------------------------------------------------------------- */

/* The address for a pid file. False: the name is too long for a socket. */
static bool address_of(const char *pid_path, struct sockaddr_un *address)
{
    int n;

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    n = snprintf(address->sun_path, sizeof address->sun_path, "%s" CONTROL_SUFFIX, pid_path);
    return n > 0 && (size_t)n < sizeof address->sun_path;
}

int control_connect(const char *pid_path)
{
    struct sockaddr_un address;
    int fd, error;

    if (!address_of(pid_path, &address)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Binds the socket, in place of one that a dead master left behind. 0, or -1 with errno. */
static int bind_for_owner(int fd, const struct sockaddr_un *address)
{
    mode_t old_mask = umask(0177);
    int rc, error;

    unlink(address->sun_path);
    rc = bind(fd, (const struct sockaddr *)address, sizeof *address);
    error = errno;
    umask(old_mask);
    errno = error;
    return rc == 0 ? listen(fd, CLIENTS_MAX) : rc;
}

struct control *control_open(const char *pid_path, bool *in_use, control_asked *asked, void *arg)
{
    struct sockaddr_un address;
    struct control *control;
    int fd = control_connect(pid_path);

    *in_use = fd >= 0;
    if (fd >= 0) {
        close(fd);
        log_emerg(0, "another master answers at \"%s" CONTROL_SUFFIX "\"", pid_path);
        return NULL;
    }
    if (!address_of(pid_path, &address)) {
        log_warn(0, "the path of \"%s" CONTROL_SUFFIX "\" is too long for a control socket",
                 pid_path);
        return NULL;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind_for_owner(fd, &address) != 0) {
        log_warn(errno, "control socket \"%s\" failed", address.sun_path);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    control = mem_zalloc(sizeof *control);
    *control = (struct control){
        .magic = CONTROL_MAGIC, .fd = fd, .spare = open("/dev/null", O_RDONLY | O_CLOEXEC),
        .asked = asked, .arg = arg
    };
    control->path = mem_strdup(address.sun_path);
    list_init(&control->clients);
    return control;
}

void control_move(struct control *control, const char *pid_path)
{
    struct sockaddr_un address;

    if (!control)
        return;
    CHECK_OBJ(control, CONTROL_MAGIC);
    if (!address_of(pid_path, &address)
        || rename(control->path, address.sun_path) != 0) {
        log_alert(errno, "rename() of \"%s\" to \"%s" CONTROL_SUFFIX "\" failed", control->path,
                  pid_path);
        return;
    }
    free(control->path);
    control->path = mem_strdup(address.sun_path);
}

void control_forget(const struct control *control)
{
    if (!control)
        return;
    CHECK_OBJ(control, CONTROL_MAGIC);
    close(control->fd);
    if (control->spare >= 0)
        close(control->spare);
    LIST_EACH(at, after, &control->clients)
        if (LIST_ITEM(at, struct control_client, link)->fd >= 0)
            close(LIST_ITEM(at, struct control_client, link)->fd);
}

/* ---- Clients -------------------------------------------------------------------------------- */

/* The client has gone or is to go; it is freed by the sweep. */
static void drop(struct control_client *client)
{
    CHECK_OBJ(client, CONTROL_CLIENT_MAGIC);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->state = CLIENT_GONE;
}

/* Writes what waits, as far as it goes without blocking. */
static void flush(struct control_client *client)
{
    ssize_t n;

    if (client->answer_size > 0) {
        n = send(client->fd, client->answer, client->answer_size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            drop(client);
            return;
        }
        if (n > 0) {
            client->answer_size -= (size_t)n;
            memmove(client->answer, client->answer + n, client->answer_size);
        }
    }
    if (client->answer_size == 0 && client->state == CLIENT_LEAVING)
        drop(client);
}

/* A client that reads too slowly is dropped. */
void control_tell(struct control_client *client, const char *word, const char *text)
{
    size_t room = strlen(word) + strlen(text) + sizeof " \n";

    CHECK_OBJ(client, CONTROL_CLIENT_MAGIC);
    if (client->state == CLIENT_GONE)
        return;
    if (client->answer_size + room > ANSWER_MAX) {
        drop(client);
        return;
    }
    client->answer = mem_resize(client->answer, client->answer_size + room, 1);
    client->answer_size += (size_t)snprintf(client->answer + client->answer_size, room, "%s %s\n",
                                            word, text);
    flush(client);
}

void control_dismiss(struct control_client *client, const char *word, const char *text)
{
    CHECK_OBJ(client, CONTROL_CLIENT_MAGIC);
    if (client->state == CLIENT_GONE)
        return;
    client->state = CLIENT_LEAVING;
    control_tell(client, word, text);
}

void control_wait(struct control_client *client, enum control_topic topic, struct str host)
{
    CHECK_OBJ(client, CONTROL_CLIENT_MAGIC);
    AN(client->state == CLIENT_SPEAKS);
    client->state = CLIENT_QUEUED;
    client->topic = topic;
    if (host.p) {
        client->host = mem_zalloc(host.n + 1);
        memcpy(client->host, host.p, host.n);
    }
}

void control_join(struct control_client *client, enum control_topic topic, struct str host)
{
    control_wait(client, topic, host);
    client->state = CLIENT_TOLD;
}

int control_hand_over(struct control_client *client)
{
    int fd = client->fd;

    CHECK_OBJ(client, CONTROL_CLIENT_MAGIC);
    AN(client->state == CLIENT_SPEAKS || client->state == CLIENT_GONE);
    client->fd = -1;
    client->state = CLIENT_GONE;
    if (fd >= 0)
        fcntl(fd, F_SETFL, 0);
    return fd;
}

/* A whole question has come. */
static void answer(struct control_client *client)
{
    struct control *control = client->control;
    struct ucred who = { 0 };
    socklen_t size = sizeof who;

    getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
    log_notice(0, "\"%s\" asked for by process %ld, user %ld", client->question, (long)who.pid,
               (long)who.uid);
    control->asked(control->arg, client, client->question);
}

/* Reads from a client that has not asked yet; later there is nothing more to come but its end. */
static void listen_to(struct control_client *client)
{
    char *end;
    ssize_t n = recv(client->fd, client->question + client->question_size,
                     sizeof client->question - client->question_size - 1, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || client->state != CLIENT_SPEAKS) {
        drop(client);
        return;
    }
    client->question_size += (size_t)n;
    client->question[client->question_size] = '\0';
    end = memchr(client->question, '\n', client->question_size);
    if (end) {
        *end = '\0';
        client->question_size = 0;
        answer(client);
    } else if (client->question_size == sizeof client->question - 1) {
        drop(client);
    }
}

/* Something happened at a client's socket. */
static void on_client(void *arg, short events)
{
    struct control_client *client;

    CAST_OBJ(client, arg, CONTROL_CLIENT_MAGIC);
    if (client->state != CLIENT_GONE && (events & POLLOUT))
        flush(client);
    if (client->state != CLIENT_GONE && (events & (POLLIN | POLLHUP | POLLERR)))
        listen_to(client);
}

/*
 * There is no descriptor for somebody who connects. He must not stay in the queue, or the master
 * would wake up for him again and again.
 */
static void turn_away(struct control *control)
{
    int fd;

    if (control->spare >= 0)
        close(control->spare);
    fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    control->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    log_error(0, "somebody at the control socket was turned away: too many files are open");
}

/* All seats are taken: says so to whoever comes, in place of an answer. */
static void say_busy(int fd)
{
    static const char text[] = "error the server is busy with other commands, try again later\n";

    if (send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_info(errno, "somebody at the control socket has gone before he was turned away");
    close(fd);
    log_warn(0, "somebody at the control socket was turned away: %d others are there", CLIENTS_MAX);
}

/* Somebody connects. */
static void on_connect(void *arg, short events)
{
    struct control *control;
    struct control_client *client;
    int fd;

    (void)events;
    CAST_OBJ(control, arg, CONTROL_MAGIC);
    fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        turn_away(control);
    if (fd < 0)
        return;
    if (control->client_count >= CLIENTS_MAX) {
        say_busy(fd);
        return;
    }
    client = mem_zalloc(sizeof *client);
    *client = (struct control_client){
        .magic = CONTROL_CLIENT_MAGIC, .control = control, .fd = fd,
        .deadline = clock_now() + QUESTION_WITHIN
    };
    list_add(&control->clients, &client->link);
    control->client_count++;
}

/* ---- What the master does ------------------------------------------------------------------- */

void control_poll(struct control *control, struct pollset *p)
{
    if (!control)
        return;
    pollset_add(p, control->fd, POLLIN, on_connect, control);
    LIST_EACH(at, after, &control->clients) {
        struct control_client *client = LIST_ITEM(at, struct control_client, link);

        pollset_add(p, client->fd, client->answer_size ? POLLIN | POLLOUT : POLLIN, on_client,
                    client);
    }
}

ms_t control_deadline(const struct control *control)
{
    ms_t next = MS_NEVER;

    if (!control)
        return next;
    LIST_EACH(at, after, &control->clients) {
        const struct control_client *client = LIST_ITEM(at, struct control_client, link);

        if (client->state == CLIENT_SPEAKS && client->deadline < next)
            next = client->deadline;
    }
    return next;
}

/* Ends a client that takes a seat and asks nothing. */
static void end_silent(struct control_client *client)
{
    if (client->state != CLIENT_SPEAKS || clock_now() < client->deadline)
        return;
    log_notice(0, "somebody at the control socket has asked nothing for %d s",
               QUESTION_WITHIN / 1000);
    control_dismiss(client, "error", "no question has come");
}

void control_sweep(struct control *control)
{
    if (!control)
        return;
    LIST_EACH(at, after, &control->clients) {
        struct control_client *client = LIST_ITEM(at, struct control_client, link);

        end_silent(client);
        if (client->state != CLIENT_GONE)
            continue;
        list_remove(at);
        AN(control->client_count > 0);
        control->client_count--;
        client->magic = 0;
        free(client->host);
        free(client->failure);
        free(client->answer);
        free(client);
    }
}

/* Those who are in a state for the sake of a topic come into another one. */
static void move_clients(struct control *control, enum control_topic topic, enum client_state from,
                         enum client_state to)
{
    if (!control)
        return;
    CHECK_OBJ(control, CONTROL_MAGIC);
    LIST_EACH(at, after, &control->clients) {
        struct control_client *client = LIST_ITEM(at, struct control_client, link);

        if (client->state != from || client->topic != topic)
            continue;
        client->state = to;
        free(client->failure);
        client->failure = NULL;
    }
}

void control_begin(struct control *control, enum control_topic topic)
{
    move_clients(control, topic, CLIENT_QUEUED, CLIENT_TOLD);
}

void control_requeue(struct control *control, enum control_topic topic)
{
    move_clients(control, topic, CLIENT_TOLD, CLIENT_QUEUED);
}

void control_say(struct control *control, enum control_topic topic, const char *word,
                 const char *text)
{
    if (!control)
        return;
    LIST_EACH(at, after, &control->clients) {
        struct control_client *client = LIST_ITEM(at, struct control_client, link);

        if (client->state == CLIENT_TOLD && client->topic == topic)
            control_tell(client, word, text);
    }
}

void control_fail(struct control *control, enum control_topic topic, struct str host,
                  const char *text)
{
    if (!control)
        return;
    LIST_EACH(at, after, &control->clients) {
        struct control_client *client = LIST_ITEM(at, struct control_client, link);

        if (client->state == CLIENT_TOLD && client->topic == topic && !client->failure
            && (!client->host || str_eq(str_of(client->host), host)))
            client->failure = mem_strdup(text);
    }
}

/* The last line for those who are in a state for the sake of a topic. */
static void end_clients(struct control *control, enum control_topic topic, enum client_state state,
                        const char *word, const char *text)
{
    if (!control)
        return;
    LIST_EACH(at, after, &control->clients) {
        struct control_client *client = LIST_ITEM(at, struct control_client, link);

        if (client->state != state || client->topic != topic)
            continue;
        if (client->failure)
            control_dismiss(client, "error", client->failure);
        else
            control_dismiss(client, word, text);
    }
}

void control_end(struct control *control, enum control_topic topic, const char *word,
                 const char *text)
{
    end_clients(control, topic, CLIENT_TOLD, word, text);
}

void control_cancel(struct control *control, enum control_topic topic, const char *word,
                    const char *text)
{
    end_clients(control, topic, CLIENT_QUEUED, word, text);
}

void control_close(struct control **pcontrol, const char *why)
{
    struct control *control;

    if (!*pcontrol)
        return;
    TAKE_OBJ(control, pcontrol, CONTROL_MAGIC);
    LIST_EACH(at, after, &control->clients) {
        struct control_client *client = LIST_ITEM(at, struct control_client, link);

        control_dismiss(client, "error", why);
        drop(client);
    }
    control_sweep(control);
    AN(control->client_count == 0);
    close(control->fd);
    if (control->spare >= 0)
        close(control->spare);
    unlink(control->path);
    free(control->path);
    control->magic = 0;
    free(control);
}

/*
 * frame.h - frames of RFC 6455 section 5: bytes into pieces of frames, and heads of frames.
 *
 * Knows single frames and the order in which they may come, nothing of messages, limits of messages
 * or what is answered. Keeps no payload: it is unmasked where it lies and handed on as it arrives.
 */
#ifndef SLV_WEBSOCKET_FRAME_H
#define SLV_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_opcode {
    FRAME_CONTINUATION = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10
};

/* Status codes of section 7.4.1 that are used here. */
enum frame_code {
    CODE_NORMAL = 1000,
    CODE_GOING_AWAY = 1001,
    CODE_PROTOCOL = 1002,
    CODE_NONE = 1005,              /* never sent: a Close without a code */
    CODE_ABNORMAL = 1006,          /* never sent: no Close came */
    CODE_DATA = 1007,
    CODE_POLICY = 1008,
    CODE_TOO_LARGE = 1009,
    CODE_INTERNAL = 1011,
    CODE_TRY_LATER = 1013
};

#define FRAME_CONTROL_MAX 125
#define FRAME_HEAD_MAX 14          /* of a client's frame; the mask is 4 of them */
#define FRAME_HEAD_OUT_MAX 10      /* of a server's */
#define FRAME_COMPRESSED 0x40      /* RSV1 (RFC 7692 section 6) */

/* What is kept between two reads of a client's frames. Zeroed but for the two fields above. */
struct frame_reader {
    uint64_t max;                  /* longest payload of a data frame; 0: no limit */
    bool may_compress;             /* RSV1 has a meaning */
    bool in_message;               /* a message has begun and not ended */
    bool in_frame;                 /* payload of a frame is being read */
    uint8_t have;                  /* bytes of an unfinished head */
    uint8_t first;                 /* byte of the frame at hand: FIN, RSV, opcode */
    uint8_t key[4];                /* as it applies to the next byte */
    uint8_t head[FRAME_HEAD_MAX];
    uint64_t left;                 /* payload still to come */
};

enum frame_event {
    FRAME_MORE,                    /* all bytes taken, nothing to tell */
    FRAME_PIECE,                   /* a piece of a frame */
    FRAME_FAULT                    /* the peer broke a rule; the reader is of no more use */
};

struct frame_piece {
    enum frame_opcode opcode;
    bool begins, ends;             /* it is the first, the last piece of its frame */
    bool fin;                      /* the frame is the last of its message */
    bool compressed;               /* the frame has RSV1: the message is compressed */
    char *data;                    /* unmasked */
    size_t n;                      /* 0 where only the head has come, or nothing will */
    size_t room;                   /* bytes before data that belong to the frame's head */
    uint64_t left;                 /* payload of the frame behind this piece */
    unsigned code;                 /* FRAME_FAULT: the close code, and what was wrong */
    const char *fault;
};

/* Takes the next piece from data. *used: bytes taken. */
enum frame_event frame_read(struct frame_reader *r, char *data, size_t n, size_t *used,
                            struct frame_piece *piece);

/* XORs n bytes with a key of 4 bytes that begins at data[0]. */
void frame_mask(char *data, size_t n, const uint8_t key[4]);

/* Writes the head of an unmasked frame; first: opcode with FIN (0x80) and RSV. Returns its size. */
size_t frame_head(char head[FRAME_HEAD_OUT_MAX], uint8_t first, uint64_t size);

/* The same, without writing. */
size_t frame_head_size(uint64_t size);

/* A peer may send this code in a Close frame (RFC 6455 section 7.4, IANA registry). */
bool frame_code_valid(unsigned code);

#endif

/*
 * password.h - is this the password? All schemes that an htpasswd file may hold. Pure but for the
 * time that slow hashes take on purpose.
 */
#ifndef SLV_ACCESS_PASSWORD_H
#define SLV_ACCESS_PASSWORD_H

#include <selvage/str.h>

#include <stdint.h>

/* Longer passwords are refused: slow hashes would make them a lever. */
#define PASSWORD_MAX 1024

/*
 * stored: {PLAIN}text, {SHA}base64, {SSHA}base64, $apr1$salt$hash, or what crypt(3) makes ($y$,
 * $2b$, $6$, $5$, $1$, the old 13 bytes).
 * given: what the client says; has no NUL in it.
 * The comparison takes the same time wherever the two differ.
 */
bool password_matches(struct str stored, struct str given);

/* Makes "$apr1$" with its salt and hash, as Apache's tools do. 0, or -1 where there is no MD5. */
#define APR1_SIZE 38
int password_apr1(struct str given, struct str salt, char out[APR1_SIZE]);

/*
 * Decodes base64 (RFC 4648 section 4), with or without padding at the end. out has room for
 * text.n * 3 / 4 bytes. Returns 0, or -1 where a byte is not of the alphabet.
 */
int base64_decode(struct str text, uint8_t *out, size_t *n);

#endif

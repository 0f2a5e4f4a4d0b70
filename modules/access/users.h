/*
 * users.h - the files of auth_basic_user_file, and what has been found out with them.
 *
 * One set of caches per worker. Nothing here decides anything: a file is read again when it is
 * another one than before, and a password that was right once is right as long as its hash is the
 * same.
 */
#ifndef SLV_ACCESS_USERS_H
#define SLV_ACCESS_USERS_H

#include <selvage/str.h>

/*
 * The text of a file (path has a NUL behind it), valid until the next call. Returns 0, or -1 with
 * errno: EFBIG where it is larger than any such file.
 */
int users_read(struct str path, struct str *text);

/* What the text stores for a user: the first line that begins with "user:". False: no such line. */
bool users_find(struct str text, struct str user, struct str *stored);

/* password_matches(), remembering for the slow schemes what matched. */
bool users_check(struct str stored, struct str given);

/* Forgets all. */
void users_forget(void);

#endif

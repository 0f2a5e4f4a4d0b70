/*
 * replay.c - runs a fuzz target over its corpus, without a fuzzing engine.
 *
 *     replay DIRECTORY...
 *
 * Each regular file of each directory becomes one input, in a block of exactly its size, so that a
 * sanitizer sees a read past its end. Names that start with a dot are skipped. Prints how many
 * inputs ran. Exits with 1 when there is no argument or a directory cannot be read or has no
 * input; a broken promise ends the process in the target itself.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs one file: 1 when it was an input, 0 when it is no regular file, -1 when it is unreadable. */
static int replay_file(const char *path)
{
    struct stat st;
    uint8_t *data;
    FILE *f;
    size_t size, got;

    if (stat(path, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode))
        return 0;
    f = fopen(path, "rb");
    if (f == NULL)
        return -1;
    size = (size_t)st.st_size;
    data = malloc(size ? size : 1);
    got = data ? fread(data, 1, size, f) : 0;
    fclose(f);
    if (data == NULL || got != size) {
        free(data);
        return -1;
    }
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

/* Runs the files of one directory; *count grows by the number of inputs. */
static int replay_directory(const char *name, unsigned *count)
{
    DIR *dir = opendir(name);
    struct dirent *entry;
    unsigned before = *count;
    int rc = 0;

    if (dir == NULL) {
        perror(name);
        return -1;
    }
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        int ran;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
        ran = replay_file(path);
        if (ran < 0) {
            perror(path);
            rc = -1;
        } else {
            *count += (unsigned)ran;
        }
    }
    closedir(dir);
    if (*count == before) {
        fprintf(stderr, "%s: no input\n", name);
        rc = -1;
    }
    return rc;
}

/* Replays the directories given as arguments. */
int main(int argc, char **argv)
{
    unsigned count = 0;
    int rc = argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;

    for (int i = 1; i < argc; i++)
        if (replay_directory(argv[i], &count) != 0)
            rc = EXIT_FAILURE;
    printf("%u inputs\n", count);
    return rc;
}

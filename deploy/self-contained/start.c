/* Starts the interpreter beside it without the image's LD_PRELOAD, LD_LIBRARY_PATH and LD_AUDIT: what they name is built
 * for the image's C library, and this interpreter has its own. They are kept under other names, and bin/supinit puts
 * them back for the programs. Linked statically, so that none of them acts here either. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *const variables[] = {"LD_PRELOAD=", "LD_LIBRARY_PATH=", "LD_AUDIT="};

int main(int argc, char **argv, char **environment)
{
    (void)argc;
    for (char **entry = environment; *entry != NULL; entry++) {
        for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
            if (strncmp(*entry, variables[i], strlen(variables[i])) == 0) {
                static char kept[3][131072]; /* Linux allows no longer one: MAX_ARG_STRLEN in execve(2) */
                snprintf(kept[i], sizeof kept[i], "%s%s", KEPT, *entry);
                *entry = kept[i];
                break;
            }
        }
    }
    execve(INTERPRETER, argv, environment);
    perror("supinit: cannot execute " INTERPRETER);
    return 127;
}

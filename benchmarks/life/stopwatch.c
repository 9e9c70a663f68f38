/* Says when things happen, on the monotonic clock, which all PID namespaces share: one line `KIND NUMBER NANOSECONDS` each,
   appended to the file STAMPS.

   stopwatch box STAMPS COMMAND…        COMMAND as PID 1 of a namespace of its own: X when it is executed, G when it is gone
   stopwatch child STAMPS NUMBER        S in main; then T and the end for SIGTERM, U for SIGUSR1
   stopwatch leave STAMPS NUMBER        S, and the end at once: L
   stopwatch orphans STAMPS COUNT GO    COUNT orphans that all end once somebody has opened the FIFO GO: O when they are there,
                                        E when they are told to end, N when none is left; then waits as a child does
   stopwatch init COMMANDS              the least an init can do, in C: a command a line, all started, then reaped; SIGTERM goes on to them

   A static program: what it costs to start is the same for whoever starts it. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MANY = 4096, MOST_ORPHANS = 20000 };

static int stamps, number;

static void fail(const char *what) {
    perror(what);
    _exit(111);
}

static void stamp(char kind) {
    struct timespec now;
    char line[64];
    clock_gettime(CLOCK_MONOTONIC, &now);
    int size = snprintf(line, sizeof line, "%c %06d %020lld\n", kind, number, now.tv_sec * 1000000000LL + now.tv_nsec);
    if (write(stamps, line, size) != size) _exit(112);
}

static void heed(int signal) {
    stamp(signal == SIGTERM ? 'T' : 'U');
    if (signal == SIGTERM) _exit(0);
}

static void wait_as_a_child(void) {
    struct sigaction action = {.sa_handler = heed};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    stamp('S');
    for (;;) pause();
}

static int box(char **command) {
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) fail("unshare");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("mount /");
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) fail("mount /proc");
        stamp('X');
        execvp(command[0], command);
        fail(command[0]);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) fail("waitpid");
    stamp('G');
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Each orphan waits for the end of a pipe that this process holds open. Each one's parent has ended at once. */
static void orphans(int count, const char *go) {
    static pid_t pids[MOST_ORPHANS];
    int gate[2], said[2];
    if (count > MOST_ORPHANS || pipe(gate) != 0 || pipe(said) != 0) fail("orphans");
    for (int index = 0; index < count; index++) {
        pid_t parent = fork();
        if (parent < 0) fail("fork");
        if (parent == 0) {
            pid_t orphan = fork();
            if (orphan != 0) _exit(orphan < 0);
            pid_t self = getpid();
            char end;
            close(gate[1]);
            close(said[0]);
            if (write(said[1], &self, sizeof self) != sizeof self) _exit(1);
            close(said[1]);
            _exit(read(gate[0], &end, 1) != 0);
        }
        waitpid(parent, NULL, 0);
        if (read(said[0], &pids[index], sizeof pids[index]) != sizeof pids[index]) fail("read");
    }
    number = count;
    stamp('O');
    close(open(go, O_RDONLY));
    stamp('E');
    close(gate[1]);
    struct timespec moment = {0, 200000};
    for (int index = 0; index < count; index++)
        while (kill(pids[index], 0) == 0) nanosleep(&moment, NULL);
    stamp('N');
}

static pid_t started[MANY];
static int children;

static void pass_on(int signal) {
    for (int index = 0; index < children; index++)
        if (started[index] > 0) kill(started[index], signal);
}

static int init(const char *commands) {
    struct sigaction action = {.sa_handler = pass_on};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    FILE *file = fopen(commands, "r");
    char line[1024];
    while (file != NULL && children < MANY && fgets(line, sizeof line, file) != NULL) {
        char *words[16], *word = strtok(line, " \n");
        int count = 0;
        for (; word != NULL && count < 15; word = strtok(NULL, " \n")) words[count++] = word;
        words[count] = NULL;
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
        if (count > 0 && posix_spawn(&started[children], words[0], NULL, &attributes, words, environ) == 0) children++;
    }
    for (int status;;) {
        pid_t dead = waitpid(-1, &status, 0);
        if (dead < 0 && errno == ECHILD) return 0;
        for (int index = 0; dead > 0 && index < children; index++)
            if (started[index] == dead) started[index] = -1;
    }
}

int main(int count, char **arguments) {
    if (count < 3) return 64;
    const char *role = arguments[1];
    if (strcmp(role, "init") == 0) return init(arguments[2]);
    if (count < 4) return 64;
    stamps = open(arguments[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (stamps < 0) fail(arguments[2]);
    if (strcmp(role, "box") == 0) return box(arguments + 3);
    number = atoi(arguments[3]);
    if (strcmp(role, "leave") == 0) {
        stamp('S');
        stamp('L');
        return 0;
    }
    if (strcmp(role, "orphans") == 0 && count == 5) orphans(number, arguments[4]);
    number = atoi(arguments[3]);
    wait_as_a_child();
}

/* The program whose output the log benchmarks are about. writer.py is the same for where there is no compiler.

   usage: writer CHILD LINES blocks|lines|steady GO REPORT

   Says `r` to the FIFO REPORT, waits for a byte from the FIFO GO, writes so many lines of 100 bytes each (numbered, so
   that each one occurs once), says `d` and ends at once. blocks: as many whole lines as fit into 64 KiB with each
   write(2); lines: one; steady: one each millisecond. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 100, BLOCK = 655 };

static char block[BLOCK * LINE];

static void lay_out(const char *child) {
    memset(block, 'x', sizeof block);
    for (int index = 0; index < BLOCK; index++) {
        char head[32];
        snprintf(head, sizeof head, "%.1s %08d %03d ", child, 0, index);
        memcpy(block + index * LINE, head, 15);
        block[index * LINE + LINE - 1] = '\n';
    }
}

static void number(long blocks) {
    char digits[32];
    snprintf(digits, sizeof digits, "%08ld", blocks % 100000000);
    for (int index = 0; index < BLOCK; index++) memcpy(block + index * LINE + 2, digits, 8);
}

static void write_all(const char *data, size_t size) {
    while (size > 0) {
        ssize_t written = write(1, data, size);
        if (written <= 0) exit(1);
        data += written;
        size -= written;
    }
}

static void wait_for(struct timespec *time) {
    time->tv_nsec += 1000000;
    if (time->tv_nsec >= 1000000000) {
        time->tv_nsec -= 1000000000;
        time->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, time, NULL);
}

int main(int count, char **arguments) {
    if (count != 6) return 64;
    long lines = atol(arguments[2]);
    char shape = arguments[3][0], go;
    int reports = open(arguments[5], O_WRONLY | O_CLOEXEC), gate = open(arguments[4], O_RDONLY | O_CLOEXEC);
    lay_out(arguments[1]);
    if (write(reports, "r", 1) != 1 || read(gate, &go, 1) != 1) return 1;
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    for (long blocks = 0; lines > 0; blocks++) {
        long now = lines < BLOCK ? lines : BLOCK;
        number(blocks);
        if (shape == 'b') write_all(block, now * LINE);
        for (long index = 0; shape != 'b' && index < now; index++) {
            if (shape == 's') wait_for(&time);
            write_all(block + index * LINE, LINE);
        }
        lines -= now;
    }
    return write(reports, "d", 1) != 1;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A larger fleet out of a small one: replicate ORDER BYTES < drive-days.csv > larger.csv
 *
 * Copies the rows of a Backblaze CSV (date, serial_number, ...) over and over with new serial numbers ("SERIAL-0007")
 * until BYTES are written. ORDER serial writes replica after replica, as the input is sorted; ORDER day writes day
 * after day, all replicas of each drive on it, as Backblaze's own daily files come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATE 10

struct line {
    const char *text, *serial_end, *end;
};

static char *read_all(size_t *out_len)
{
    size_t cap = 1 << 20, len = 0, n;
    char *p = malloc(cap);
    while (p && (n = fread(p + len, 1, cap - len, stdin)) > 0) {
        len += n;
        if (len == cap)
            p = realloc(p, cap *= 2);
    }
    *out_len = len;
    return p;
}

static int by_day(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int c = memcmp(x->text, y->text, DATE);
    return c ? c : (x->text > y->text) - (x->text < y->text);
}

static size_t put(const struct line *l, size_t replica)
{
    size_t head = (size_t)(l->serial_end - l->text), tail = (size_t)(l->end - l->serial_end);
    char suffix[24];
    int n = snprintf(suffix, sizeof suffix, "-%04zu", replica);
    fwrite(l->text, 1, head, stdout);
    fwrite(suffix, 1, (size_t)n, stdout);
    fwrite(l->serial_end, 1, tail, stdout);
    return head + (size_t)n + tail;
}

int main(int argc, char **argv)
{
    size_t len, n = 0, one = 0;
    char *data = read_all(&len);
    const char *stop = data + len, *p = data ? memchr(data, '\n', len) : NULL;
    if (argc != 3 || !p) {
        fprintf(stderr, "usage: replicate serial|day BYTES < drive-days.csv\n");
        return 2;
    }
    struct line *lines = malloc(len / 16 * sizeof *lines + 1);
    if (!lines)
        return 1;
    fwrite(data, 1, (size_t)(++p - data), stdout);
    for (const char *end; p < stop && (end = memchr(p, '\n', (size_t)(stop - p))); p = end + 1) {
        const char *serial_end = memchr(p + DATE + 1, ',', (size_t)(end - p - DATE - 1));
        if (!serial_end)
            return 1;
        lines[n++] = (struct line){ p, serial_end, end + 1 };
        one += (size_t)(end + 1 - p) + 5;
    }
    size_t want = (size_t)strtod(argv[2], NULL), replicas = (want + one - 1) / one;
    if (strcmp(argv[1], "day") != 0) {
        for (size_t r = 0, done = 0; r < replicas && done < want; r++)
            for (size_t i = 0; i < n && done < want; i++)
                done += put(&lines[i], r);
        return fflush(stdout) ? 1 : 0;
    }
    qsort(lines, n, sizeof *lines, by_day);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && memcmp(lines[i].text, lines[j].text, DATE) == 0;)
            j++;
        for (size_t r = 0; r < replicas; r++)
            for (size_t k = i; k < j; k++)
                put(&lines[k], r);
    }
    return fflush(stdout) ? 1 : 0;
}

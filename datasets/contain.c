/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The child that reads, and the parent that watches it through a shared page: calls under way inside of the reader, a
 * count that grows with each of them, and the result. */
#include "contain.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/cli.h"
#include "common/clock.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_REPORTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_REPORTS 1
#endif
#endif
#ifdef HAS_REPORTS
#include <sanitizer/common_interface_defs.h>
#endif

#define TIMEOUT_S 20.0
#define POLL_MS 250
#define REPORT_MAX ((size_t)1 << 20)

struct shared {
    atomic_int inside;
    atomic_ulong beats;
    atomic_int result; /* of work, -1 while it runs */
    atomic_int crash;  /* the signal that struck inside of the library, 0 where none did */
};

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
static struct sigaction crash_actions[RS_LEN(crash_signals)]; /* as they were before */
static struct shared *watched;                                /* in the child; NULL elsewhere */
static volatile sig_atomic_t child_pid;

void rs_contain_enter(void)
{
    if (!watched)
        return;
    atomic_fetch_add(&watched->beats, 1);
    atomic_fetch_add(&watched->inside, 1);
}

void rs_contain_leave(void)
{
    if (!watched)
        return;
    atomic_fetch_sub(&watched->inside, 1);
}

static void forward(int sig)
{
    int saved = errno;
    if (child_pid > 0)
        kill((pid_t)child_pid, sig);
    errno = saved;
}

static bool is_inside_library(void)
{
    void *frames[64];
    int n = backtrace(frames, RS_LEN(frames));
    for (int i = 0; i < n; i++) {
        Dl_info info;
        if (dladdr(frames[i], &info) && info.dli_fname && strstr(info.dli_fname, "libhdf5"))
            return true;
    }
    return false;
}

/* A crash inside of the library ends the child quietly; any other one is met again with the handler from before, which
 * may be a sanitizer's. */
static void on_crash(int sig)
{
    if (is_inside_library()) {
        atomic_store(&watched->crash, sig);
        _exit(RS_EXIT_FAILED);
    }
    for (size_t i = 0; i < RS_LEN(crash_signals); i++)
        sigaction(crash_signals[i], &crash_actions[i], NULL);
    if (sig == SIGABRT)
        raise(sig);
}

static void catch_crashes(void)
{
    void *frame;
    struct sigaction sa = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER };
    backtrace(&frame, 1); /* loads what it needs now, not in the handler */
    for (size_t i = 0; i < RS_LEN(crash_signals); i++)
        sigaction(crash_signals[i], &sa, &crash_actions[i]);
}

/* The child has its own process group, so that a key press reaches it once: through its parent. */
static _Noreturn void run_child(pid_t parent, struct shared *shared, int report_fd, int (*work)(void *arg), void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(RS_EXIT_FAILED);
    setpgid(0, 0);
#ifdef HAS_REPORTS
    if (report_fd >= 0)
        __sanitizer_set_report_fd((void *)(intptr_t)report_fd);
#else
    (void)report_fd;
#endif
    watched = shared;
    catch_crashes();
    int code = work(arg);
    atomic_store(&shared->result, code);
    exit(code);
}

static double timeout_s(void)
{
    const char *text = getenv("RESEAT_CONTAIN_TIMEOUT");
    double s;
    return text && rs_duration_parse(text, &s) == RS_OK && s > 0 ? s : TIMEOUT_S;
}

/* Waits for the child; *out_hung where it had to be killed. */
static int watch(pid_t pid, const struct shared *shared, bool *out_hung)
{
    int status = 0;
    rs_auto_fd int fd = pidfd_open(pid, 0);
    const struct rs_clock *clock = rs_clock_system();
    int64_t limit_ns = (int64_t)(timeout_s() * 1e9), since_ns = rs_clock_mono_ns(clock);
    unsigned long beats = 0;
    *out_hung = false;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        poll(&p, fd >= 0, POLL_MS);
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            return status;
        int64_t now_ns = rs_clock_mono_ns(clock);
        unsigned long beats_now = atomic_load(&shared->beats);
        if (!atomic_load(&shared->inside) || beats_now != beats) {
            beats = beats_now;
            since_ns = now_ns;
        }
        if (now_ns - since_ns > limit_ns && !*out_hung) {
            *out_hung = true;
            kill(pid, SIGKILL);
        }
    }
}

/* What a sanitizer reported in the child: NULL where nothing. */
static char *read_report(int fd)
{
    char *text = fd >= 0 ? calloc(1, REPORT_MAX + 1) : NULL;
    ssize_t n = text ? pread(fd, text, REPORT_MAX, 0) : 0;
    if (n > 0)
        return text;
    free(text);
    return NULL;
}

static int fail(const char *verb, const char *file, const char *what, const char *why)
{
    fprintf(stderr, "reseat %s: %s: damaged: the HDF5 library %s while reading it (%s)\n", verb, file, what, why);
    return RS_EXIT_FAILED;
}

static int judge_report(const char *verb, const char *file, const char *report)
{
    if (strstr(report, "libhdf5"))
        return fail(verb, file, "failed", "memory error");
    fputs(report, stderr);
    return RS_EXIT_FAILED;
}

/* Deaths that no crash handler saw, or that were not the library's. */
static int judge_signal(const char *verb, const char *file, int sig)
{
    for (size_t i = 0; i < RS_LEN(crash_signals); i++)
        if (sig == crash_signals[i]) {
            fprintf(stderr, "reseat %s: %s: crashed while reading it (SIG%s); please report this\n", verb, file,
                    sigabbrev_np(sig));
            return RS_EXIT_FAILED;
        }
    if (sig == SIGKILL) {
        fprintf(stderr, "reseat %s: %s: the process that read it was killed (out of memory?)\n", verb, file);
        return RS_EXIT_FAILED;
    }
    signal(sig, SIG_DFL);
    raise(sig);
    return RS_EXIT_FAILED;
}

static int judge(const char *verb, const char *file, int status, bool is_hung, const char *report,
                 const struct shared *shared)
{
    int crash = atomic_load(&shared->crash), result = atomic_load(&shared->result);
    char name[16];
    if (is_hung)
        return fail(verb, file, "hung", "no progress");
    bool is_library = crash || (report && strstr(report, "libhdf5"));
    if (is_library && result >= 0) /* the work was done and said what it had to: the library stumbled on leaving */
        return result;
    if (crash) {
        snprintf(name, sizeof name, "SIG%s", sigabbrev_np(crash));
        return fail(verb, file, "failed", name);
    }
    if (report)
        return judge_report(verb, file, report);
    return WIFEXITED(status) ? WEXITSTATUS(status) : judge_signal(verb, file, WTERMSIG(status));
}

int rs_contain(const char *verb, const char *file, int (*work)(void *arg), void *arg)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        fprintf(stderr, "reseat %s: no memory to read %s apart: %s\n", verb, file, strerror(errno));
        return RS_EXIT_FAILED;
    }
    atomic_store(&shared->result, -1);
    rs_auto_fd int report_fd = -1;
#ifdef HAS_REPORTS
    report_fd = memfd_create("sanitizer-report", MFD_CLOEXEC);
#endif
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        run_child(parent, shared, report_fd, work, arg);
    if (pid < 0) {
        fprintf(stderr, "reseat %s: %s cannot be read apart: %s\n", verb, file, strerror(errno));
        munmap(shared, sizeof *shared);
        return RS_EXIT_FAILED;
    }
    struct sigaction sa = { .sa_handler = forward }, old_int, old_term;
    child_pid = pid;
    sigaction(SIGINT, &sa, &old_int);
    sigaction(SIGTERM, &sa, &old_term);
    bool is_hung;
    int status = watch(pid, shared, &is_hung);
    child_pid = 0;
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    rs_autofree char *report = read_report(report_fd);
    int code = judge(verb, file, status, is_hung, report, shared);
    munmap(shared, sizeof *shared);
    return code;
}

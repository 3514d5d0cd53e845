// SPDX-License-Identifier: GPL-2.0
/*
 * Other processes and their threads: see workers.h.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steps.h"
#include "workers.h"

struct thread {
	struct run *run;
	int question, answer;
};

static void let_alarm(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

/* The signal that comes while it waits comes to no other thread. */
static int interrupted_sync(struct run *r, __u64 flags)
{
	int error;

	let_alarm(SIG_UNBLOCK);
	error = try_sync_interrupted(r, flags, false);
	let_alarm(SIG_BLOCK);
	return error;
}

static void obey(struct run *r, struct order *order)
{
	__u8 *at = order->memfd ? r->memory[0] : r->cpu;

	order->error = 0;
	switch (order->kind) {
	case ORDER_SYNC:
		order->error = try_sync(r, order->flags);
		break;
	case ORDER_INTERRUPTED:
		order->error = interrupted_sync(r, order->flags);
		break;
	case ORDER_STORE:
		memcpy(at + order->at, order->data, order->bytes);
		break;
	case ORDER_LOAD:
		memcpy(order->data, at + order->at, order->bytes);
		break;
	}
}

static void *serve(void *arg)
{
	struct thread *thread = arg;
	struct order order;

	while (read(thread->question, &order, sizeof(order)) == sizeof(order)) {
		obey(thread->run, &order);
		if (write(thread->answer, &order, sizeof(order)) < 0)
			break;
	}
	return NULL;
}

static void __noreturn work(struct workers *workers)
{
	struct thread threads[THREADS_MAX];
	pthread_t second;
	unsigned int i;

	/* Whoever tells them is gone when nobody holds this end. */
	for (i = 0; i < THREADS_MAX; i++) {
		close(workers->question[i][1]);
		close(workers->answer[i][0]);
		threads[i] = (struct thread) {
			workers->run, workers->question[i][0],
			workers->answer[i][1],
		};
	}
	let_alarm(SIG_BLOCK);
	if (pthread_create(&second, NULL, serve, &threads[1]))
		_exit(1);
	serve(&threads[0]);
	_exit(0);
}

int start_workers(struct workers *workers, struct run *r)
{
	unsigned int i;

	workers->run = r;
	for (i = 0; i < THREADS_MAX; i++)
		if (pipe(workers->question[i]) || pipe(workers->answer[i]))
			return errno;
	workers->pid = fork();
	if (workers->pid < 0)
		return errno;
	if (!workers->pid)
		work(workers);
	for (i = 0; i < THREADS_MAX; i++) {
		close(workers->question[i][0]);
		close(workers->answer[i][1]);
	}
	return 0;
}

bool tell(struct workers *workers, unsigned int thread, struct order *order)
{
	return write(workers->question[thread][1], order, sizeof(*order)) ==
	       sizeof(*order) &&
	       read(workers->answer[thread][0], order, sizeof(*order)) ==
	       sizeof(*order);
}

void kill_workers(struct workers *workers)
{
	unsigned int i;

	if (workers->pid <= 0)
		return;
	kill(workers->pid, SIGKILL);
	waitpid(workers->pid, NULL, 0);
	workers->pid = 0;
	for (i = 0; i < THREADS_MAX; i++) {
		close(workers->question[i][1]);
		close(workers->answer[i][0]);
	}
}

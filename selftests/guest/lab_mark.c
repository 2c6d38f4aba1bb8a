// SPDX-License-Identifier: GPL-2.0
#include "lab_mark.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static const char * const irq_rows[] = { "TLB", "CAL", "RES" };

static const char * const vm_counters[] = {
	"nr_tlb_remote_flush", "nr_tlb_remote_flush_received",
	"nr_tlb_local_flush_all", "nr_tlb_local_flush_one",
};

struct message {
	char text[1024];
	size_t len;
};

/*
 * Files are read through buffers that are never given back: a mark must not
 * itself cause flushes in the interval it opens.
 */
static FILE *open_proc(const char *path, char *buffer, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file)
		die_errno("cannot read %s", path);
	setvbuf(file, buffer, _IOFBF, size);
	return file;
}

static uint64_t sum_numbers(const char *text)
{
	uint64_t sum = 0;
	char *end;

	for (;;) {
		uint64_t value = strtoull(text, &end, 10);

		if (end == text)
			return sum;
		sum += value;
		text = end;
	}
}

bool lab_irq_sum(const char *row, uint64_t *sum)
{
	static char buffer[16384];
	static char *line;
	static size_t size;
	FILE *file = open_proc("/proc/interrupts", buffer, sizeof(buffer));
	size_t len = strlen(row);
	bool found = false;

	while (!found && getline(&line, &size, file) > 0) {
		const char *name = line + strspn(line, " ");

		if (!strncmp(name, row, len) && name[len] == ':') {
			*sum = sum_numbers(name + len + 1);
			found = true;
		}
	}
	fclose(file);
	return found;
}

static void add_counter(struct message *msg, const char *key, uint64_t value)
{
	msg->len += snprintf(msg->text + msg->len, sizeof(msg->text) - msg->len,
			     "guest %s %" PRIu64 "\n", key, value);
}

static void add_irqs(struct message *msg)
{
	uint64_t sum;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(irq_rows); i++)
		if (lab_irq_sum(irq_rows[i], &sum))
			add_counter(msg, irq_rows[i], sum);
}

static void add_vm_counters(struct message *msg)
{
	static char buffer[16384];
	FILE *file = open_proc("/proc/vmstat", buffer, sizeof(buffer));
	char name[64];
	uint64_t value;
	size_t i;

	while (fscanf(file, "%63s %" SCNu64, name, &value) == 2)
		for (i = 0; i < ARRAY_SIZE(vm_counters); i++)
			if (!strcmp(name, vm_counters[i]))
				add_counter(msg, name, value);
	fclose(file);
}

static void add_time(struct message *msg)
{
	uint32_t eax = LAB_CPUID, ecx = 0, low, high;

	asm volatile("cpuid" : "+a"(eax), "+c"(ecx) : : "ebx", "edx");
	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	msg->len += snprintf(msg->text + msg->len, sizeof(msg->text) - msg->len,
			     "tsc %" PRIu64 "\n", (uint64_t)high << 32 | low);
}

static void send_message(int fd, const struct message *msg)
{
	size_t done = 0;

	while (done < msg->len) {
		ssize_t n = write(fd, msg->text + done, msg->len - done);

		if (n <= 0)
			die_errno("the lab's control channel takes no mark");
		done += n;
	}
}

static void await_ok(int fd, const char *name)
{
	char answer[64];
	size_t len = 0;

	while (len < sizeof(answer) - 1) {
		ssize_t n = read(fd, answer + len, 1);

		if (n < 0)
			die_errno("mark %s: no answer from the lab", name);
		if (!n)
			die("mark %s: the lab closed its control channel", name);
		if (answer[len] == '\n')
			break;
		len++;
	}
	answer[len] = '\0';
	if (strcmp(answer, "ok"))
		die("mark %s: the lab answered '%s', not ok", name, answer);
}

void lab_mark(const char *name)
{
	const char *path = getenv("LAB_CTL");
	static struct message msg;
	int fd;

	if (!path)
		return;
	/* A virtio-serial port has one user at a time: hold it only here. */
	fd = open(path, O_RDWR | O_APPEND | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		die_errno("cannot open the lab's control channel %s", path);
	msg.len = 0;
	add_irqs(&msg);
	add_vm_counters(&msg);
	if (getenv("LAB_TSC"))
		add_time(&msg);
	msg.len += snprintf(msg.text + msg.len, sizeof(msg.text) - msg.len,
			    "mark %s\n", name);
	if (msg.len >= sizeof(msg.text))
		die("mark %s: the name is too long", name);
	send_message(fd, &msg);
	if (!getenv("LAB_CTL_MUTE"))
		await_ok(fd, name);
	close(fd);
}

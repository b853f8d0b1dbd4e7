/*
 * scheduled.h - one schedule as the room sees it, and the room's own state.  Private to the room.
 */
#ifndef HP_SERVER_SCHEDULE_SCHEDULED_H
#define HP_SERVER_SCHEDULE_SCHEDULED_H

#include "base/map.h"
#include "base/str.h"
#include "server/schedule/schedules.h"
#include "server/schedule/zone_file.h"

struct event;

struct scheduled {
	char *key;	  /* of its row: "service/action", "/context/action" */
	char *definition; /* as the registry calls it: "service", "/context/action" */
	char *action;
	char *service; /* NULL: of none */
	char *context; /* NULL: default */
	char *meaning; /* expression and zone */
	struct schedule_def *def;
	struct schedule spec;
	struct schedule_state state;
	struct event *timer; /* its next due time, or that it is overdue */
	struct schedules *schedules;
	struct {
		int64_t *v;
		size_t n, cap;
	} queue;	       /* due times that wait for the end of a former run */
	struct strv open_runs; /* submitted by it, not over */
	usec_wall since, last_success;
	char *last_run, *last_state;
	int64_t last_due;
	char *trouble; /* why its due times can not be computed or run; NULL: all is well */
	bool is_overdue;
};

struct schedules {
	struct schedules_config config;
	struct zones *zones;
	struct map by_key;   /* struct scheduled */
	struct map by_run;   /* likewise; the keys are those of open_runs */
	struct event *steps; /* of the wall clock, and the end of a suspend */
	int steps_fd;
	int64_t ahead_ms; /* of wall time over CLOCK_BOOTTIME, when it was looked at last */
	bool is_active;
};

int64_t schedules_now(void); /* ms of wall time */

/* scheduled.c */
void scheduled_store(struct schedules *s, const struct scheduled *x);
void scheduled_arm(struct schedules *s, struct scheduled *x);
/* A run of it was submitted, is over.  `run` may be the text of open_runs itself. */
void scheduled_open(struct schedules *s, struct scheduled *x, const char *run);
void scheduled_close(struct schedules *s, struct scheduled *x, const char *run);
/* When it will be overdue; SCHEDULE_NEVER. */
int64_t scheduled_overdue_at(const struct scheduled *x);
bool scheduled_has_open_run(struct schedules *s, struct scheduled *x);

/* scheduled_run.c */
/* Answers what is due, and submits. */
void scheduled_answer(struct schedules *s, struct scheduled *x);
/* The first of those that wait, when nothing is open any more. */
void scheduled_go_on(struct schedules *s, struct scheduled *x);
enum err scheduled_submit(struct schedules *s, struct scheduled *x, int64_t due, bool by_hand,
    char **run, struct error *e);
void scheduled_check_overdue(struct schedules *s, struct scheduled *x);

#endif

/* verbs.h - the functions behind the rows of the table of verbs.  One file each, or one for a
 * noun.  Depends on: cli.h. */
#ifndef HP_CLI_VERBS_H
#define HP_CLI_VERBS_H

#include "cli/cli.h"

int verb_up(struct cli *c);
int verb_down(struct cli *c);
int verb_shutdown(struct cli *c);
int verb_upgrade(struct cli *c);
int verb_check(struct cli *c);
int verb_apply(struct cli *c);
int verb_diff(struct cli *c);
int verb_register(struct cli *c);
int verb_list(struct cli *c);
int verb_get(struct cli *c);
int verb_status(struct cli *c);
int verb_start(struct cli *c);
int verb_stop(struct cli *c);
int verb_restart(struct cli *c);
int verb_delete(struct cli *c);
int verb_reload(struct cli *c);
int verb_kill(struct cli *c);
int verb_ready(struct cli *c);
int verb_wanted(struct cli *c);
int verb_why(struct cli *c);
int verb_plan(struct cli *c);
int verb_what_if(struct cli *c);
int verb_op_list(struct cli *c);
int verb_op_get(struct cli *c);
int verb_op_watch(struct cli *c);
int verb_op_cancel(struct cli *c);
int verb_tree(struct cli *c);
int verb_logs_own(struct cli *c);
int verb_logs(struct cli *c);
int verb_graph(struct cli *c);
int verb_events(struct cli *c);
int verb_critical_chain(struct cli *c);
int verb_blame(struct cli *c);
int verb_flag_set(struct cli *c);
int verb_flag_clear(struct cli *c);
int verb_flag_list(struct cli *c);
int verb_schedule_list(struct cli *c);
int verb_schedule_next(struct cli *c);
int verb_schedule_pause(struct cli *c);
int verb_schedule_resume(struct cli *c);
int verb_schedule_trigger(struct cli *c);
int verb_secret_set(struct cli *c);
int verb_secret_get(struct cli *c);
int verb_secret_list(struct cli *c);
int verb_secret_delete(struct cli *c);
int verb_secret_rekey(struct cli *c);
int verb_health(struct cli *c);
int verb_doctor(struct cli *c);
int verb_run_submit(struct cli *c);
int verb_run_list(struct cli *c);
int verb_run_get(struct cli *c);
int verb_run_wait(struct cli *c);
int verb_run_cancel(struct cli *c);
int verb_completion(struct cli *c);
int verb_help(struct cli *c);
int verb_version(struct cli *c);

#endif

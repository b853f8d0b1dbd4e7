/*
 * signals.h - names of signals, and ends that count as success, as people write them.
 *
 * What a definition may say (manifest/) and what is done with it (server/) are
 * read by the same functions.  Depends on: base.
 */
#ifndef HP_MODEL_SIGNALS_H
#define HP_MODEL_SIGNALS_H

#include "base/base.h"

/* "SIGTERM", "TERM", "15", "SIGRTMIN+1"; 0: unknown. */
int signal_parse(const char *text);
const char *signal_name(int signo, char *buf, size_t n); /* "SIGTERM" */

/* An entry of success_exit_codes: "0" to "255" sets *code, a signal's name sets *signo;
 * the other one becomes -1 or 0.  False: neither. */
bool exit_code_parse(const char *text, int *code, int *signo);

#endif

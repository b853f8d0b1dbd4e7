/*
 * version.h - which hero_proc this is.
 */
#ifndef HP_SERVER_HOST_VERSION_H
#define HP_SERVER_HOST_VERSION_H

extern const char server_version[]; /* "0.1.0" */

#endif

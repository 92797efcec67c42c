/* libtriad for C: how an application holds licenses. For C99 and later, and for other languages'
 * foreign function interfaces: handles are plain numbers, structures are flat.
 *
 *   triad_client client;
 *   triad_license license;
 *   if (triad_open(NULL, NULL, &client) != 0) fail(triad_last_error());
 *   if (triad_checkout(client, "tserver_sdn", NULL, 3, 0, &license) != 0) fail(triad_last_error());
 *   ... work ...
 *   triad_checkin(license);
 *   triad_close(client);
 *
 * Every function returns 0, or a negative number: FlexNet's where there is one (-4: all licenses in
 * use), else one of TRIAD_E_*. Wrong use (a handle that was returned, closed, never given, or given
 * to the parent before a fork; a null pointer; a nonsense search path) is an error, never a crash.
 *
 * Thread-safety: everything may be called from any thread; triad_last_error is the calling thread's
 * own. The library calls nothing of the application's: events are fetched with triad_next_event.
 * It prints nothing (but see TRIAD_DIAGNOSTICS in client.h), touches no signal handler and never
 * ends the process. Failing over between servers is its work, not the application's.
 */
#ifndef TRIAD_TRIAD_H_
#define TRIAD_TRIAD_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0 is no handle. A number that was closed or returned never comes back. */
typedef uint64_t triad_client;
typedef uint64_t triad_license;

/* Errors without a number of FlexNet's. */
#define TRIAD_E_USAGE (-42)        /* the call is wrong */
#define TRIAD_E_INSECURE (-1001)   /* a server beyond loopback in plaintext; nobody said insecure */
#define TRIAD_E_NO_QUORUM (-1002)  /* servers answered, but too few of them run */
#define TRIAD_E_OVERLOADED (-1003) /* the servers ask to come back later */
#define TRIAD_E_TIMED_OUT (-1004)  /* no answer in time; it may have happened all the same */
#define TRIAD_E_LOST (-1005)       /* the cluster has freed this license */

/* For triad_open. Fill with zeros first; a member that is 0 or null means its default. Members may
 * be added at the end: set `size` to sizeof(triad_options). */
typedef struct triad_options {
  size_t size;
  const char* vendor;      /* for the environment variable VENDOR_LICENSE_FILE */
  const char* application; /* who is asking; null: as the system says */
  const char* version;
  const char* user;
  const char* host;
  const char* display;
  const char* project;
  int request_timeout_ms;   /* 0: 5000 */
  int insecure;             /* plaintext to servers beyond loopback */
  const char* key_vendor;   /* with key: whose public key it is */
  const unsigned char* key; /* 32 bytes, Ed25519; null: signatures are not checked */
  int refuse_unconfirmed;   /* 1: after the grace an unconfirmed license is not usable */
  int64_t unconfirmed_grace_ms;
  const char* tls_ca; /* files (PEM); null: as in client.h */
  const char* tls_cert;
  const char* tls_key;
} triad_options;

/* `flags` of triad_checkout and triad_resize. */
#define TRIAD_EXACT 0 /* all or nothing */
#define TRIAD_UP_TO 1 /* as many as are free, at most `count`, at least one */
#define TRIAD_ALL 2   /* every license that is free, at most 9999 */
#define TRIAD_WAIT 4  /* triad_checkout: wait in the queue; blocks until granted */

/* license_path: files, directories, port@host, p@h,p@h,p@h, separated by ':'; null or "": the
 * environment and the defaults. options may be null. */
int triad_open(const char* license_path, const triad_options* options, triad_client* client);
/* Gives everything back; its licenses' handles are gone too. */
int triad_close(triad_client client);

/* version may be null: any. */
int triad_checkout(triad_client client, const char* feature, const char* version, uint64_t count,
                   int flags, triad_license* license);
int triad_checkin(triad_license license);
/* Holds `count` from now on, or, on an error, what it held before. */
int triad_resize(triad_license license, uint64_t count, int flags);
/* idle: 1 not in use (TIMEOUT may reclaim it), 0 in use. */
int triad_set_idle(triad_license license, int idle);

#define TRIAD_TEXT_MAX 256

typedef struct triad_event {
  char kind[32];                /* "unconfirmed", "lost", "violation", ... (client.h, Event) */
  char number[16];              /* "00-07100", "00-07101", or "" */
  char cause[64];               /* "expired", "lost", ...; "" without a number */
  char feature[TRIAD_TEXT_MAX]; /* longer texts are cut */
  char reason[TRIAD_TEXT_MAX];  /* one line for people */
  triad_license license;        /* 0: of none, or of one that is returned */
  uint64_t count;
} triad_event;

/* The next thing that happened. 1: there is one; 0: none within timeout_ms (0: does not wait). The
 * oldest are dropped when 4096 wait. */
int triad_next_event(triad_client client, triad_event* event, int timeout_ms);

#define TRIAD_HELD 0
#define TRIAD_UNCONFIRMED 1
#define TRIAD_LOST 2
#define TRIAD_RETURNED 3

typedef struct triad_license_status {
  int state;  /* TRIAD_HELD, ... */
  int usable; /* the application may go on, by refuse_unconfirmed */
  uint64_t count;
  uint64_t handle; /* as lmstat shows it */
  uint32_t node;
} triad_license_status;

int triad_status(triad_license license, triad_license_status* status);

/* FlexNet's words for a number ("all licenses in use"), or ours; never null. */
const char* triad_strerror(int error);
/* The last error of this thread in one line ("tserver_sdn: license denied: all licenses in use
 * (-4)"), "" if there was none; valid until this thread's next call. Never null. */
const char* triad_last_error(void);

#ifdef __cplusplus
}
#endif

#endif /* TRIAD_TRIAD_H_ */

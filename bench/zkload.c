// zkload: a bounded load generator for any ZooKeeper-protocol server on loopback.
// One thread, epoll, pipelined requests over many sessions; prints one JSON line.
//   zkload -s 127.0.0.1:2181[,host:port...] -c conns -d depth -t seconds -w warm-up seconds
//          -o get|set|create|ecreate|exists|mixN -b bytes -k keys -n requests
// mixN: N % reads (getData), the rest setData. create: persistent nodes /zkload/rPID-cK/nI, new
// ones in each run. -n ends the run after that many replies, and counts from the first one.
//
// Sessions that live, as clients keep them, by pings at a third of their timeout (-S milliseconds):
//   -o idle                 nothing but pings, for -t seconds
//   -o watch -k K -n W      W watches, spread over the sessions, on K nodes; each node is changed
//                           once, and all events must come; then pings alone for -t seconds
// A ping is missed when no answer is there after another third, when a client gives up its server.
// -P PID: what processor time that process took for the pings and the events, and its memory.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAXC = 20000, RING = 4096 };
typedef struct {
  int fd;
  int xid;
  int inflight;
  uint32_t outstart, outlen;
  unsigned char *out;
  size_t outcap;
  unsigned char *in;
  size_t incap, inlen;
  uint64_t sent[RING];
  int connected;
  uint64_t seq;
  int wantw;
  int id;
  char w[RING];
  uint64_t ping_at, ping_sent;
  int lost;
} conn;

static struct {
  char host[64];
  int port;
} servers[16];
static int nservers;
static int C = 10, D = 50, T = 5, B = 100, K = 1000, readpct = -1;
static int W = 1, S = 30000, P;
static uint64_t N, issued;
static char op[16] = "get";
static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void p32(unsigned char *p, int32_t v) {
  p[0] = v >> 24;
  p[1] = v >> 16;
  p[2] = v >> 8;
  p[3] = v;
}
static int32_t g32(const unsigned char *p) {
  return (int32_t)((uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]);
}
static unsigned char val[1 << 20];
static uint64_t errs, done, reads_done;
static uint64_t hist[2][64 * 64];
static int bucket(uint64_t us) {
  if (us < 64) return us;
  int e = 63 - __builtin_clzll(us);
  int m = (us >> (e - 5)) & 31;
  int i = 64 + (e - 6) * 32 + m;
  return i < 4095 ? i : 4095;
}
static uint64_t unbucket(int i) {
  if (i < 64) return i;
  int e = (i - 64) / 32 + 6, m = (i - 64) % 32;
  return (1ull << e) + ((uint64_t)m << (e - 5));
}

static void need(conn *c, size_t n) {
  if (c->outstart && c->outstart == c->outlen) c->outstart = c->outlen = 0;
  if (c->outlen + n > c->outcap) {
    if (c->outstart) {
      memmove(c->out, c->out + c->outstart, c->outlen - c->outstart);
      c->outlen -= c->outstart;
      c->outstart = 0;
    }
    while (c->outlen + n > c->outcap) c->outcap *= 2;
    c->out = realloc(c->out, c->outcap);
  }
}
static unsigned char *put_str(unsigned char *p, const char *s) {
  int n = strlen(s);
  p32(p, n);
  memcpy(p + 4, s, n);
  return p + 4 + n;
}
static unsigned char *put_acl(unsigned char *p) {
  p32(p, 1);
  p32(p + 4, 31);
  p = put_str(p + 8, "world");
  return put_str(p, "anyone");
}
static void enqueue(conn *c, int type, const char *path, int len, int flags) {
  need(c, 4 + 8 + 4 + strlen(path) + 4 + len + 64);
  unsigned char *b = c->out + c->outlen, *p = b + 4;
  p32(p, ++c->xid);
  p32(p + 4, type);
  p = put_str(p + 8, path);
  if (type == 4 || type == 3)
    *p++ = flags;
  else if (type == 5) {
    p32(p, len);
    memcpy(p + 4, val, len);
    p += 4 + len;
    p32(p, -1);
    p += 4;
  } else if (type == 1) {
    p32(p, len);
    memcpy(p + 4, val, len);
    p += 4 + len;
    p = put_acl(p);
    p32(p, flags);
    p += 4;
  } else if (type == 2) {
    p32(p, -1);
    p += 4;
  }
  p32(b, p - b - 4);
  c->outlen += p - b;
  c->sent[c->xid % RING] = now();
  c->inflight++;
}
static void connect_req(conn *c) {
  need(c, 64);
  unsigned char *b = c->out + c->outlen;
  p32(b, 45);
  memset(b + 4, 0, 45);
  p32(b + 16, S);
  p32(b + 28, 16);
  c->outlen += 49;
}
static uint64_t rng = 88172645463325252ull;
static uint32_t rnd(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return rng >> 32;
}
static void issue(conn *c) {
  char path[128];
  if (N && issued >= N) return;
  issued++;
  if (!strcmp(op, "create")) {
    snprintf(path, sizeof path, "/zkload/r%d-c%d/n%llu", getpid(), c->id,
             (unsigned long long)c->seq++);
    enqueue(c, 1, path, B, 0);
    c->w[c->xid % RING] = 1;
    return;
  }
  if (!strcmp(op, "ecreate")) {
    snprintf(path, sizeof path, "/zkload/r%d-c%d/e%llu", getpid(), c->id,
             (unsigned long long)c->seq++);
    enqueue(c, 1, path, B, 1);
    c->w[c->xid % RING] = 1;
    return;
  }
  snprintf(path, sizeof path, "/zkload/k%u", rnd() % K);
  int w = readpct >= 0 ? (int)(rnd() % 100) >= readpct : !strcmp(op, "set");
  int type = w ? 5 : !strcmp(op, "exists") ? 3 : 4;
  enqueue(c, type, path, B, 0);
  c->w[c->xid % RING] = w;
}
static int flush(conn *c) {
  while (c->outstart < c->outlen) {
    ssize_t n = send(c->fd, c->out + c->outstart, c->outlen - c->outstart, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN) return 1;
      perror("send");
      exit(3);
    }
    c->outstart += n;
  }
  c->outstart = c->outlen = 0;
  return 0;
}
static int dial(int i) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(servers[i % nservers].port)};
  inet_pton(AF_INET, servers[i % nservers].host, &a.sin_addr);
  if (strncmp(servers[i % nservers].host, "127.", 4)) {
    fprintf(stderr, "loopback only\n");
    exit(2);
  }
  if (connect(fd, (void *)&a, sizeof a)) {
    perror("connect");
    exit(3);
  }
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  // A server that says nothing ends the run instead of holding it up.
  struct timeval patience = {.tv_sec = 60};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}
static void init(conn *c, int i) {
  memset(c, 0, sizeof *c);
  c->id = i;
  c->outcap = c->incap = 1 << 16;
  c->out = malloc(c->outcap);
  c->in = malloc(c->incap);
  c->fd = dial(i);
  connect_req(c);
}
static int recv_some(conn *c, int block) {
  if (c->inlen == c->incap) c->in = realloc(c->in, c->incap *= 2);
  ssize_t n = recv(c->fd, c->in + c->inlen, c->incap - c->inlen, block ? 0 : MSG_DONTWAIT);
  if (n == 0) {
    fprintf(stderr, "server closed the connection\n");
    exit(3);
  }
  if (n < 0) {
    if (errno == EAGAIN && !block) return 0;
    perror("recv");
    exit(3);
  }
  c->inlen += n;
  return 1;
}
// blocking helper used for setup: send what is queued and wait for all replies
static int drain(conn *c) {
  int last = 0;
  while (flush(c));
  size_t off;
  for (;;) {
    off = 0;
    while (c->inlen - off >= 4) {
      int32_t n = g32(c->in + off);
      if (c->inlen - off < 4u + n) break;
      if (!c->connected)
        c->connected = 1;
      else {
        int32_t xid = g32(c->in + off + 4);
        if (xid > 0) {
          c->inflight--;
          last = g32(c->in + off + 16);
        }
      }
      off += 4 + n;
    }
    memmove(c->in, c->in + off, c->inlen - off);
    c->inlen -= off;
    if (c->connected && c->inflight == 0) return last;
    recv_some(c, 1);
  }
}

// -- sessions that live by pings --------------------------------------------------------------------

static struct {
  uint64_t pings, missed, lost, events, replies, bad, last_event, ping_max;
  int welcomed;
} seen;
static int epfd;
static conn *all;
static int count;
static uint64_t interval(void) { return S * 1000000ull / 3; }

static void lose(conn *c) {
  if (c->lost) return;
  c->lost = 1;
  seen.lost++;
  close(c->fd);
}
static void watch_writable(conn *c, int w) {
  if (w == c->wantw || c->lost) return;
  c->wantw = w;
  struct epoll_event e = {.events = EPOLLIN | (w ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &e);
}
static void push(conn *c) {
  while (!c->lost && c->outstart < c->outlen) {
    ssize_t n = send(c->fd, c->out + c->outstart, c->outlen - c->outstart, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return watch_writable(c, 1);
    if (n < 0) return lose(c);
    c->outstart += n;
  }
  c->outstart = c->outlen = 0;
  watch_writable(c, 0);
}
static void take(conn *c) {
  if (c->inlen == c->incap) c->in = realloc(c->in, c->incap *= 2);
  ssize_t n = recv(c->fd, c->in + c->inlen, c->incap - c->inlen, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) return lose(c);
  c->inlen += n;
  size_t off = 0;
  uint64_t t = now();
  while (c->inlen - off >= 4) {
    int32_t len = g32(c->in + off);
    if (c->inlen - off < 4u + len) break;
    if (!c->connected) {
      c->connected = 1;
      seen.welcomed++;
    } else {
      int32_t xid = g32(c->in + off + 4);
      if (xid == -1) {
        seen.events++;
        seen.last_event = t;
      } else if (xid == -2) {
        uint64_t took = t - c->ping_sent;
        if (took > seen.ping_max) seen.ping_max = took;
        if (took > interval()) seen.missed++;
        c->ping_sent = 0;
      } else {
        c->inflight--;
        seen.replies++;
        if (g32(c->in + off + 16)) seen.bad++;
      }
    }
    off += 4 + len;
  }
  memmove(c->in, c->in + off, c->inlen - off);
  c->inlen -= off;
}
// Handles what there is, waiting for at most 5 ms, and sends the pings that are due.
static void turn(void) {
  static uint64_t looked;
  static struct epoll_event ev[1024];
  int n = epoll_wait(epfd, ev, 1024, 5);
  for (int k = 0; k < n; k++) {
    conn *c = ev[k].data.ptr;
    if (c->lost) continue;
    if (ev[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(c);
    if (ev[k].events & EPOLLOUT) push(c);
  }
  uint64_t t = now();
  if (t - looked < 20000000ull) return;
  looked = t;
  for (int i = 0; i < count; i++) {
    conn *c = &all[i];
    if (c->lost || !c->connected || t < c->ping_at || c->ping_sent) continue;
    need(c, 12);
    unsigned char *b = c->out + c->outlen;
    p32(b, 8);
    p32(b + 4, -2);
    p32(b + 8, 11);
    c->outlen += 12;
    c->ping_sent = t;
    c->ping_at = t + interval();
    seen.pings++;
    push(c);
  }
}
static uint64_t cpu_ms(void) {
  char name[64], line[1024];
  unsigned long user = 0, sys = 0;
  snprintf(name, sizeof name, "/proc/%d/stat", P);
  FILE *f = P ? fopen(name, "r") : NULL;
  if (!f) return 0;
  char *tail = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
  fclose(f);
  if (tail) sscanf(tail, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
  return (user + sys) * 1000 / sysconf(_SC_CLK_TCK);
}
static uint64_t rss_kb(void) {
  char name[64], line[256];
  uint64_t kb = 0;
  snprintf(name, sizeof name, "/proc/%d/status", P);
  FILE *f = P ? fopen(name, "r") : NULL;
  if (!f) return 0;
  while (fgets(line, sizeof line, f)) if (!strncmp(line, "VmRSS:", 6)) kb = strtoull(line + 6, NULL, 10);
  fclose(f);
  return kb;
}
static void must(int fine, const char *what) {
  if (fine) return;
  fprintf(stderr, "%s: welcomed %d, replies %llu, bad %llu, events %llu, lost %llu\n", what,
          seen.welcomed, (unsigned long long)seen.replies, (unsigned long long)seen.bad,
          (unsigned long long)seen.events, (unsigned long long)seen.lost);
  exit(3);
}
static int live(int watches) {
  uint64_t patience = 60000000000ull, began = now(), t0 = began, changed = 0, changes_ms = 0;
  char path[128];
  count = C + 1; // the last one writes
  all = calloc(count, sizeof *all);
  epfd = epoll_create1(0);
  for (int i = 0; i < count; i++) {
    conn *c = &all[i];
    c->id = i;
    c->outcap = c->incap = 512;
    c->out = malloc(c->outcap);
    c->in = malloc(c->incap);
    c->fd = dial(i);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &e);
    connect_req(c);
    push(c);
    c->ping_at = now() + interval() / 100 * (50 + rnd() % 50);
    // Never more at once than the shortest queue of a listener holds.
    while (i + 1 - seen.welcomed > 32 && now() - t0 < patience) turn();
  }
  while (seen.welcomed < count && now() - t0 < patience) turn();
  must(seen.welcomed == count && seen.lost == 0, "not all sessions were opened");
  uint64_t connected = now();
  for (int i = 0; i < watches; i++) {
    conn *c = &all[i % C];
    snprintf(path, sizeof path, "/zkload/k%d", i / (watches / K ? watches / K : 1) % K);
    enqueue(c, 4, path, 0, 1);
    push(c);
    while (c->inflight > 50 || (i % 500 == 499 && i + 1 - (int)seen.replies > 5000)) turn();
  }
  t0 = now();
  while ((int)seen.replies < watches && now() - t0 < patience) turn();
  must((int)seen.replies == watches && seen.bad == 0, "not all watches were set");
  uint64_t before_ms = cpu_ms();
  if (watches) {
    conn *c = &all[C];
    changed = now();
    for (int i = 0; i < K; i++) {
      snprintf(path, sizeof path, "/zkload/k%d", i);
      enqueue(c, 5, path, B, 0);
      push(c);
      while (c->inflight >= 100 && now() - changed < patience) turn();
    }
    while ((int)seen.events < watches && now() - changed < patience) turn();
    must((int)seen.events == watches, "not all events came");
    changes_ms = (seen.last_event - changed) / 1000000;
  }
  uint64_t start = now(), end = start + T * 1000000000ull;
  uint64_t events_ms = cpu_ms();
  while (now() < end) turn();
  uint64_t idle_ms = cpu_ms() - events_ms;
  for (int i = 0; i < count; i++)
    if (!all[i].lost && all[i].ping_sent && now() - all[i].ping_sent > interval()) seen.missed++;
  printf("{\"op\":\"%s\",\"conns\":%d,\"connect_ms\":%llu,\"watches\":%d,\"events_ms\":%llu,"
         "\"events_cpu_ms\":%llu,\"idle_cpu_percent\":%.2f,\"rss_kb\":%llu,\"pings\":%llu,"
         "\"missed\":%llu,\"lost\":%llu,\"ping_max_ms\":%llu,\"errs\":%llu}\n",
         op, C, (unsigned long long)((connected - began) / 1000000),
         watches, (unsigned long long)changes_ms, (unsigned long long)(events_ms - before_ms),
         T ? idle_ms / (T * 10.0) : 0.0, (unsigned long long)rss_kb(),
         (unsigned long long)seen.pings, (unsigned long long)seen.missed,
         (unsigned long long)seen.lost, (unsigned long long)(seen.ping_max / 1000000),
         (unsigned long long)seen.bad);
  return 0;
}

int main(int argc, char **argv) {
  int o, cleanup = 0;
  char *s = "127.0.0.1:2181";
  while ((o = getopt(argc, argv, "s:c:d:t:w:o:b:k:n:S:P:x")) != -1) switch (o) {
    case 's':
      s = optarg;
      break;
    case 'c':
      C = atoi(optarg);
      break;
    case 'd':
      D = atoi(optarg);
      break;
    case 't':
      T = atoi(optarg);
      break;
    case 'w':
      W = atoi(optarg);
      break;
    case 'n':
      N = strtoull(optarg, NULL, 10);
      break;
    case 'o':
      snprintf(op, sizeof op, "%s", optarg);
      break;
    case 'b':
      B = atoi(optarg);
      break;
    case 'k':
      K = atoi(optarg);
      break;
    case 'S':
      S = atoi(optarg);
      break;
    case 'P':
      P = atoi(optarg);
      break;
    case 'x':
      cleanup = 1;
      break;
    default:
      return 2;
    }
  if (T > 120) T = 120;
  if (N) W = 0;
  if (C > MAXC) C = MAXC;
  if (D > RING / 2) D = RING / 2;
  if (!strncmp(op, "mix", 3)) readpct = atoi(op + 3);
  char *dup = strdup(s), *tok = strtok(dup, ",");
  while (tok && nservers < 16) {
    char *colon = strrchr(tok, ':');
    servers[nservers].port = atoi(colon + 1);
    *colon = 0;
    snprintf(servers[nservers].host, 64, "%s", tok);
    nservers++;
    tok = strtok(NULL, ",");
  }
  for (int i = 0; i < B; i++) val[i] = 'a' + i % 26;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  conn setup;
  init(&setup, 0);
  drain(&setup);
  enqueue(&setup, 1, "/zkload", 0, 0);
  drain(&setup);
  char path[128];
  if (!strstr(op, "create")) {
    for (int i = 0; i < K; i++) {
      snprintf(path, sizeof path, "/zkload/k%d", i);
      enqueue(&setup, 1, path, B, 0);
      if (i % 500 == 499) drain(&setup);
    }
    drain(&setup);
  } else {
    for (int i = 0; i < C; i++) {
      snprintf(path, sizeof path, "/zkload/r%d-c%d", getpid(), i);
      enqueue(&setup, 1, path, 0, 0);
      if (i % 500 == 499) drain(&setup);
    }
    drain(&setup);
  }
  if (!strcmp(op, "idle") || !strcmp(op, "watch")) {
    close(setup.fd);
    return live(!strcmp(op, "watch") ? (int)N : 0);
  }
  conn *cs = calloc(C, sizeof *cs);
  int ep = epoll_create1(0);
  for (int i = 0; i < C; i++) {
    init(&cs[i], i);
    flush(&cs[i]);
  }
  for (int i = 0; i < C; i++) {
    drain(&cs[i]);
    fcntl(cs[i].fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &cs[i]};
    epoll_ctl(ep, EPOLL_CTL_ADD, cs[i].fd, &e);
  }
  uint64_t start = now(), warm = start + W * 1000000000ull, end = warm + (uint64_t)T * 1000000000ull, t;
  int counting = 0;
  for (int i = 0; i < C; i++) {
    for (int j = 0; j < D; j++) issue(&cs[i]);
    while (flush(&cs[i]));
  }
  struct epoll_event ev[256];
  while ((t = now()) < end && !(N && done >= N)) {
    if (!counting && t >= warm) {
      counting = 1;
      done = reads_done = errs = 0;
      memset(hist, 0, sizeof hist);
    }
    int n = epoll_wait(ep, ev, 256, 100);
    for (int k = 0; k < n; k++) {
      conn *c = ev[k].data.ptr;
      if (ev[k].events & EPOLLIN && recv_some(c, 0)) {
        size_t off = 0;
        uint64_t tn = now();
        int got = 0;
        while (c->inlen - off >= 4) {
          int32_t len = g32(c->in + off);
          if (c->inlen - off < 4u + len) break;
          int32_t xid = g32(c->in + off + 4);
          if (xid > 0) {
            c->inflight--;
            got++;
            done++;
            int w = c->w[xid % RING];
            if (!w) reads_done++;
            if (g32(c->in + off + 16)) errs++;
            hist[w][bucket((tn - c->sent[xid % RING]) / 1000)]++;
          }
          off += 4 + len;
        }
        memmove(c->in, c->in + off, c->inlen - off);
        c->inlen -= off;
        while (got-- > 0 && c->inflight < D && !(N && issued >= N)) issue(c);
      }
      int w = flush(c);
      if (w != c->wantw) {
        c->wantw = w;
        struct epoll_event e = {.events = EPOLLIN | (w ? EPOLLOUT : 0), .data.ptr = c};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
      }
    }
  }
  double secs = (now() - warm) / 1e9;
  printf("{\"op\":\"%s\",\"conns\":%d,\"depth\":%d,\"bytes\":%d,\"ops_s\":%.0f,\"reads_s\":%.0f,"
         "\"errs\":%llu",
         op, C, D, B, done / secs, reads_done / secs, (unsigned long long)errs);
  for (int w = 0; w < 2; w++) {
    uint64_t tot = 0, acc = 0, q[3] = {0}, mx = 0;
    double f[3] = {.5, .99, .999};
    for (int i = 0; i < 4096; i++) tot += hist[w][i];
    if (!tot) continue;
    int qi = 0;
    for (int i = 0; i < 4096; i++) {
      acc += hist[w][i];
      if (hist[w][i]) mx = unbucket(i);
      while (qi < 3 && acc >= f[qi] * tot) q[qi++] = unbucket(i);
    }
    printf(",\"%s_us\":{\"p50\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu}",
           w ? "write" : "read", (unsigned long long)q[0], (unsigned long long)q[1],
           (unsigned long long)q[2], (unsigned long long)mx);
  }
  printf("}\n");
  fflush(stdout);
  for (int i = 0; i < C; i++) close(cs[i].fd);
  if (cleanup) {
    if (!strstr(op, "create")) {
      for (int i = 0; i < K; i++) {
        snprintf(path, sizeof path, "/zkload/k%d", i);
        enqueue(&setup, 2, path, 0, 0);
        if (i % 500 == 499) drain(&setup);
      }
      drain(&setup);
    }
  }
  return 0;
}

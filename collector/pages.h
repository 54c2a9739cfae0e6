/* What is served under which path, and when it is refused. Knows the live view, nothing of
 * connections. */
#ifndef SHOAL_COLLECTOR_PAGES_H
#define SHOAL_COLLECTOR_PAGES_H

#include "collector/http.h"
#include "collector/own.h"

struct pages {
    struct live *live;
    struct own *own;
    struct clock *clock;
    const char *external_url; /* web.external_url, "" for none */
};

/* An http_handle; the context is a `struct pages`, which is not changed. */
void pages_handle(void *context, const struct http_request *request,
                  struct http_response *response);

#endif

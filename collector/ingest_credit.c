#include "collector/ingest_credit.h"

#include <stdbool.h>

void ingest_credit_init(struct ingest_credit *credit, size_t queue_frames, size_t node_share)
{
    *credit = (struct ingest_credit){.pool_frames = queue_frames / 2,
                                     .share_frames_max = queue_frames / node_share - 1};
}

static void take_back(struct ingest_credit *credit, struct ingest_grant *grant)
{
    if (grant->frames == 0)
        return; /* it is in no list */
    if (grant->older != NULL)
        grant->older->newer = grant->newer;
    else
        credit->oldest = grant->newer;
    if (grant->newer != NULL)
        grant->newer->older = grant->older;
    else
        credit->newest = grant->older;
    credit->pool_frames += grant->frames;
    *grant = (struct ingest_grant){0};
}

static void give(struct ingest_credit *credit, struct ingest_grant *grant, uint32_t frames,
                 int64_t now_boot_ms)
{
    *grant =
        (struct ingest_grant){.frames = frames, .granted_ms = now_boot_ms, .older = credit->newest};
    if (credit->newest != NULL)
        credit->newest->newer = grant;
    else
        credit->oldest = grant;
    credit->newest = grant;
    credit->pool_frames -= frames;
}

uint32_t ingest_credit_grant(struct ingest_credit *credit, struct ingest_grant *grant,
                             uint64_t backlog, int64_t now_boot_ms)
{
    take_back(credit, grant);
    while (credit->oldest != NULL && credit->oldest->granted_ms + INGEST_GRANT_MS <= now_boot_ms)
        take_back(credit, credit->oldest);

    uint64_t frames = backlog > 1 ? backlog - 1 : 0;
    if (frames > credit->share_frames_max)
        frames = credit->share_frames_max;
    if (frames > credit->pool_frames / 2) /* something remains for those that ask next */
        frames = credit->pool_frames / 2;
    if (frames > 0)
        give(credit, grant, (uint32_t)frames, now_boot_ms);
    return (uint32_t)frames + 1;
}

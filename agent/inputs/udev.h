/*
 * Part of the diskstats input: what udev knows of a block device, from its database
 * (/run/udev/data/bMAJOR:MINOR, lines "E:KEY=VALUE"). A file is read again only when udev has put
 * another one in its place.
 */
#ifndef SHOAL_AGENT_INPUTS_UDEV_H
#define SHOAL_AGENT_INPUTS_UDEV_H

#include <stdbool.h>

#define UDEV_DEVICES_MAX 4096 /* of further ones nothing is known */

enum udev_property {
    UDEV_DM_LV_LAYER,
    UDEV_DM_LV_NAME,
    UDEV_DM_NAME,
    UDEV_DM_UUID,
    UDEV_DM_VG_NAME,
    UDEV_ID_ATA,
    UDEV_ID_ATA_ROTATION_RATE_RPM,
    UDEV_ID_ATA_WRITE_CACHE,
    UDEV_ID_ATA_WRITE_CACHE_ENABLED,
    UDEV_ID_FS_TYPE,
    UDEV_ID_FS_USAGE,
    UDEV_ID_FS_UUID,
    UDEV_ID_FS_VERSION,
    UDEV_ID_MODEL,
    UDEV_ID_PATH,
    UDEV_ID_REVISION,
    UDEV_ID_SERIAL_SHORT,
    UDEV_ID_WWN,
    UDEV_SCSI_IDENT_SERIAL,
    UDEV_PROPERTIES
};

/* Valid UTF-8, never NULL: empty where it is not known. Valid until the next look at the device. */
struct udev_device {
    const char *properties[UDEV_PROPERTIES];
};

struct udev;

/* NULL when out of memory. */
struct udev *udev_new(const char *directory);
void udev_free(struct udev *udev); /* may be NULL */

/* The numbers as text, as in /proc/diskstats. Never NULL. */
const struct udev_device *udev_look(struct udev *udev, const char *major, const char *minor);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Storage volumes: found by path, made, deleted, and read and written as sparse streams. A file that a VM uses is read
 * as it lies on disk, qcow2 containers included; QEMU has flushed it when the VM is suspended. */
#include "virt_private.h"

#include "executor/domxml.h"

/* ---- pools ---- */

static enum rs_status own_pool(rs_virt *v, size_t host, virConnectPtr conn, const char *name, virStoragePoolPtr *out,
                               struct rs_error *err)
{
    const char *pool = name ? name : v->hosts[host].pool;
    *out = virStoragePoolLookupByName(conn, pool);
    return *out ? RS_OK : rs_virt_error(err, "storage pool %s on %s", pool, v->hosts[host].name);
}

enum rs_status rs_virt_pool_free(rs_virt *v, size_t host, uint64_t *out_bytes, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_pool pool = NULL;
    virStoragePoolInfo info;
    enum rs_status rc = virt_conn(v, host, &conn, err);
    if (rc == RS_OK)
        rc = own_pool(v, host, conn, NULL, &pool, err);
    if (rc < 0)
        return rc;
    /* Refused while a volume of the pool is being filled: the figures are then those of the last refresh. */
    virStoragePoolRefresh(pool, 0);
    if (virStoragePoolGetInfo(pool, &info) < 0)
        return rs_virt_error(err, "storage pool %s on %s", v->hosts[host].pool, v->hosts[host].name);
    if (info.state != VIR_STORAGE_POOL_RUNNING)
        return rs_error_set(err, RS_EVIRT, "storage pool %s on %s is not started", v->hosts[host].pool,
                            v->hosts[host].name);
    *out_bytes = info.available;
    return RS_OK;
}

static bool is_network_pool(virStoragePoolPtr pool)
{
    static const char *const types[] = { "netfs", "gluster", "rbd", "iscsi", "iscsi-direct", "sheepdog", "vstorage" };
    rs_autofree char *xml = virStoragePoolGetXMLDesc(pool, 0);
    char type[32] = "";
    if (!xml || rs_domxml_pool_type(xml, strlen(xml), type, NULL) < 0)
        return false;
    for (size_t i = 0; i < RS_LEN(types); i++)
        if (rs_streq(type, types[i]))
            return true;
    return false;
}

/* ---- volumes ---- */

static void refresh_all(virConnectPtr conn)
{
    virStoragePoolPtr *pools = NULL;
    int n = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    for (int i = 0; i < n; i++) {
        virStoragePoolRefresh(pools[i], 0);
        virStoragePoolFree(pools[i]);
    }
    free(pools);
}

static enum rs_status describe(virStorageVolPtr vol, struct rs_virt_volume *out, struct rs_error *err)
{
    auto_pool pool = virStoragePoolLookupByVolume(vol);
    rs_autofree char *path = virStorageVolGetPath(vol);
    rs_autofree char *xml = virStorageVolGetXMLDesc(vol, 0);
    virStorageVolInfo logical, physical;
    const char *name = virStorageVolGetName(vol);
    if (!pool || !path || !xml || !name || virStorageVolGetInfo(vol, &logical) < 0 ||
        virStorageVolGetInfoFlags(vol, &physical, VIR_STORAGE_VOL_GET_PHYSICAL) < 0)
        return rs_virt_error(err, "volume %s", name ? name : "?");
    const char *pool_name = virStoragePoolGetName(pool);
    struct rs_virt_volume d = { .capacity_bytes = logical.capacity,
                                .allocated_bytes = logical.allocation,
                                .physical_bytes = physical.allocation,
                                .is_shared = is_network_pool(pool) };
    if (strlen(path) >= sizeof d.path || strlen(name) >= sizeof d.name || strlen(pool_name) >= sizeof d.pool)
        return rs_error_set(err, RS_EUNSUPPORTED, "volume %.80s: its path is too long", name);
    strcpy(d.path, path);
    strcpy(d.name, name);
    strcpy(d.pool, pool_name);
    enum rs_status rc = rs_domxml_volume(xml, strlen(xml), d.format, &d.has_backing, err);
    if (rc == RS_OK)
        *out = d;
    return rc;
}

enum rs_status rs_virt_volume_of_path(rs_virt *v, size_t host, const char *path, struct rs_virt_volume *out,
                                      struct rs_error *err)
{
    auto_conn conn = NULL;
    enum rs_status rc = virt_conn(v, host, &conn, err);
    if (rc < 0)
        return rc;
    auto_vol vol = virStorageVolLookupByPath(conn, path);
    if (!vol && virt_last_code() == VIR_ERR_NO_STORAGE_VOL) {
        refresh_all(conn); /* it may have been made behind libvirt's back */
        vol = virStorageVolLookupByPath(conn, path);
    }
    if (!vol && virt_last_code() == VIR_ERR_NO_STORAGE_VOL)
        return rs_error_set(err, RS_ENOTFOUND, "%s is in no storage pool of %s", path, v->hosts[host].name);
    return vol ? describe(vol, out, err) : rs_virt_error(err, "look up %s on %s", path, v->hosts[host].name);
}

static enum rs_status find_volume(rs_virt *v, size_t host, virConnectPtr conn, const char *pool_name, const char *name,
                                  virStorageVolPtr *out, struct rs_error *err)
{
    auto_pool pool = NULL;
    enum rs_status rc = own_pool(v, host, conn, pool_name, &pool, err);
    if (rc < 0)
        return rc;
    *out = virStorageVolLookupByName(pool, name);
    if (!*out && virt_last_code() == VIR_ERR_NO_STORAGE_VOL) {
        virStoragePoolRefresh(pool, 0);
        *out = virStorageVolLookupByName(pool, name);
    }
    return *out ? RS_OK : rs_virt_error(err, "volume %s on %s", name, v->hosts[host].name);
}

enum rs_status rs_virt_volume_of_name(rs_virt *v, size_t host, const char *pool, const char *name,
                                      struct rs_virt_volume *out, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_vol vol = NULL;
    enum rs_status rc = virt_conn(v, host, &conn, err);
    if (rc == RS_OK)
        rc = find_volume(v, host, conn, pool, name, &vol, err);
    return rc < 0 ? rc : describe(vol, out, err);
}

enum rs_status rs_virt_volume_delete(rs_virt *v, size_t host, const char *pool, const char *name, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_vol vol = NULL;
    enum rs_status rc = virt_conn(v, host, &conn, err);
    if (rc < 0)
        return rc;
    rc = find_volume(v, host, conn, pool, name, &vol, err);
    if (rc == RS_ENOTFOUND)
        return RS_OK;
    if (rc < 0)
        return rc;
    if (virStorageVolDelete(vol, 0) == 0 || virt_last_code() == VIR_ERR_NO_STORAGE_VOL)
        return RS_OK;
    return rs_virt_error(err, "delete volume %s on %s", name, v->hosts[host].name);
}

enum rs_status rs_virt_volume_create(rs_virt *v, size_t host, const char *name, const char *format,
                                     uint64_t capacity_bytes, struct rs_virt_volume *out, struct rs_error *err)
{
    auto_conn conn = NULL;
    auto_pool pool = NULL;
    enum rs_status rc = rs_virt_volume_delete(v, host, NULL, name, err);
    if (rc == RS_OK)
        rc = virt_conn(v, host, &conn, err);
    if (rc == RS_OK)
        rc = own_pool(v, host, conn, NULL, &pool, err);
    if (rc < 0)
        return rc;
    rs_autofree char *xml = rs_domxml_new_volume(name, format, capacity_bytes);
    if (!xml)
        return rs_error_set(err, RS_ENOMEM, "volume %s", name);
    auto_vol vol = virStorageVolCreateXML(pool, xml, 0);
    return vol ? describe(vol, out, err) : rs_virt_error(err, "create volume %s on %s", name, v->hosts[host].name);
}

/* ---- streams ---- */

struct rs_virt_stream {
    virConnectPtr conn;
    virStreamPtr stream;
    char host[128]; /* its name; a copy, as a stream that hangs may outlive the rs_virt */
    bool is_open;   /* started, neither finished nor aborted */
};

/* Takes vol's stream over a new connection. */
static enum rs_status open_stream(rs_virt *v, size_t host, const char *pool, const char *name, bool is_upload,
                                  uint64_t size, rs_virt_stream **out, struct rs_error *err)
{
    RS_AUTO(rs_virt_stream) *s = rs_alloc(1, sizeof *s);
    auto_vol vol = NULL;
    if (!s)
        return rs_error_set(err, RS_ENOMEM, "volume %s", name);
    snprintf(s->host, sizeof s->host, "%s", v->hosts[host].name);
    enum rs_status rc = virt_open(v, host, &s->conn, err);
    if (rc == RS_OK)
        rc = find_volume(v, host, s->conn, pool, name, &vol, err);
    if (rc < 0)
        return rc;
    s->stream = virStreamNew(s->conn, 0);
    if (!s->stream)
        return rs_virt_error(err, "stream on %s", s->host);
    int started = is_upload ? virStorageVolUpload(vol, s->stream, 0, size, VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
                            : virStorageVolDownload(vol, s->stream, 0, 0, VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM);
    if (started < 0)
        return rs_virt_error(err, "%s volume %s on %s", is_upload ? "write" : "read", name, s->host);
    s->is_open = true;
    *out = rs_take(s);
    return RS_OK;
}

enum rs_status rs_virt_volume_read(rs_virt *v, size_t host, const char *pool, const char *name, rs_virt_stream **out,
                                   struct rs_error *err)
{
    return open_stream(v, host, pool, name, false, 0, out, err);
}

enum rs_status rs_virt_volume_write(rs_virt *v, size_t host, const char *pool, const char *name, uint64_t size,
                                    rs_virt_stream **out, struct rs_error *err)
{
    return open_stream(v, host, pool, name, true, size, out, err);
}

enum rs_status rs_virt_stream_recv(rs_virt_stream *s, void *buf, size_t size, size_t *out_len, uint64_t *out_hole,
                                   struct rs_error *err)
{
    *out_len = 0;
    *out_hole = 0;
    int n = virStreamRecvFlags(s->stream, buf, size, VIR_STREAM_RECV_STOP_AT_HOLE);
    if (n == -3) {
        long long hole = 0;
        if (virStreamRecvHole(s->stream, &hole, 0) < 0 || hole < 0)
            return rs_virt_error(err, "read from %s", s->host);
        *out_hole = (uint64_t)hole;
        return RS_OK;
    }
    if (n < 0)
        return rs_virt_error(err, "read from %s", s->host);
    *out_len = (size_t)n;
    return RS_OK;
}

enum rs_status rs_virt_stream_send(rs_virt_stream *s, const void *buf, size_t len, struct rs_error *err)
{
    for (size_t done = 0; done < len;) {
        int n = virStreamSend(s->stream, (const char *)buf + done, len - done);
        if (n < 0)
            return rs_virt_error(err, "write to %s", s->host);
        done += (size_t)n;
    }
    return RS_OK;
}

enum rs_status rs_virt_stream_send_hole(rs_virt_stream *s, uint64_t len, struct rs_error *err)
{
    if (virStreamSendHole(s->stream, (long long)len, 0) < 0)
        return rs_virt_error(err, "write a hole to %s", s->host);
    return RS_OK;
}

enum rs_status rs_virt_stream_finish(rs_virt_stream *s, struct rs_error *err)
{
    s->is_open = false;
    if (virStreamFinish(s->stream) < 0)
        return rs_virt_error(err, "end of the stream with %s", s->host);
    return RS_OK;
}

void rs_virt_stream_free(rs_virt_stream *s)
{
    if (!s)
        return;
    if (s->is_open)
        virStreamAbort(s->stream);
    if (s->stream)
        virStreamFree(s->stream);
    if (s->conn)
        virConnectClose(s->conn);
    free(s);
}

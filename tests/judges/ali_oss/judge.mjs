// What npm's ali-oss does with an object store, against the one that the environment names. Exit status 0: all as it should be.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";

// The package lies where the tests installed it, not beside this file.
const OSS = createRequire(join(process.env.MODULES, "package.json"))("ali-oss");
const folder = mkdtempSync(join(tmpdir(), "ali-oss-"));

async function judge(authorizationV4) {
  const options = {
    accessKeyId: process.env.KEY,
    accessKeySecret: process.env.SECRET,
    endpoint: process.env.ENDPOINT,
    region: `oss-${process.env.REGION}`,
    sldEnable: true,
    authorizationV4,
    timeout: 60_000,
  };
  const bucket = `ali-oss-${authorizationV4 ? "v4" : "v1"}-${randomBytes(4).toString("hex")}`;
  const client = new OSS({ ...options, bucket });
  await client.putBucket(bucket);
  assert.ok((await client.listBuckets({ prefix: bucket })).buckets.some((each) => each.name === bucket));
  assert.equal((await client.getBucketInfo(bucket)).bucket.Name, bucket);

  const key = "dir/文件 a+b&c=d%.txt";
  const data = randomBytes(300_000);
  const put = await client.put(key, data, { meta: { tenant: "acme" }, mime: "text/odd" });
  assert.equal(put.res.status, 200);
  assert.ok(data.equals((await client.get(key)).content));
  const head = await client.head(key);
  assert.equal(head.meta.tenant, "acme");
  assert.equal(head.res.headers["content-type"], "text/odd");
  const range = await client.get(key, { headers: { Range: "bytes=10-19" } });
  assert.ok(data.subarray(10, 20).equals(range.content));

  await client.putStream("stream", Readable.from([data, data]));
  const streamed = await client.getStream("stream");
  const pieces = [];
  for await (const piece of streamed.stream) pieces.push(piece);
  assert.ok(Buffer.concat([data, data]).equals(Buffer.concat(pieces)));

  const appended = await client.append("log", Buffer.from("one"));
  await client.append("log", Buffer.from("two"), { position: appended.nextAppendPosition });
  assert.equal((await client.get("log")).content.toString(), "onetwo");

  await client.copy("copy", key);
  assert.ok(data.equals((await client.get("copy")).content));
  await client.putACL("copy", "public-read");
  assert.equal((await client.getACL("copy")).acl, "public-read");
  await client.putObjectTagging("copy", { a: "1", b: "2" });
  assert.deepEqual((await client.getObjectTagging("copy")).tag, { a: "1", b: "2" });
  await client.putSymlink("link", "copy");
  assert.equal((await client.getSymlink("link")).targetName, "copy");

  const big = join(folder, "big");
  const bytes = randomBytes(3_500_000);
  writeFileSync(big, bytes);
  let progress = 0;
  await client.multipartUpload("big", big, { partSize: 1024 * 1024, parallel: 3, progress: (done) => (progress = done) });
  assert.equal(progress, 1);
  await client.get("big", join(folder, "back"));
  assert.ok(bytes.equals(readFileSync(join(folder, "back"))));
  await client.multipartUploadCopy("big-copy", { sourceKey: "big", sourceBucketName: bucket }, { partSize: 1024 * 1024 });
  assert.ok(bytes.equals((await client.get("big-copy")).content));
  const begun = await client.initMultipartUpload("begun");
  assert.deepEqual((await client.listUploads({})).uploads.map((each) => each.uploadId), [begun.uploadId]);
  await client.uploadPart("begun", begun.uploadId, 1, big, 0, 200_000);
  // It hands on a single part as it stands, and a list only of several.
  assert.equal([(await client.listParts("begun", begun.uploadId)).parts].flat().length, 1);
  await client.abortMultipartUpload("begun", begun.uploadId);

  // It signs no URL of an address that is a number.
  const named = new OSS({ ...options, endpoint: process.env.ENDPOINT.replace("127.0.0.1", "localhost"), bucket });
  const url = authorizationV4
    ? await named.signatureUrlV4("GET", 60, {}, key)
    : named.signatureUrl(key, { expires: 60 });
  assert.ok(data.equals(Buffer.from(await (await fetch(url)).arrayBuffer())));

  for (let number = 0; number < 25; number += 1) await client.put(`many/${number % 5}/${number}`, Buffer.from("x"));
  const seen = [];
  let token = null;
  do {
    const page = await client.listV2({ prefix: "many/", "max-keys": 10, "continuation-token": token });
    seen.push(...page.objects.map((each) => each.name));
    token = page.nextContinuationToken;
  } while (token);
  assert.equal(seen.length, 25);
  assert.equal((await client.list({ prefix: "many/", delimiter: "/", "max-keys": 100 })).prefixes.length, 5);

  const refused = await client.get("not-there").catch((error) => error);
  assert.deepEqual([refused.status, refused.code], [404, "NoSuchKey"]);
  const stranger = new OSS({ ...options, accessKeySecret: "wrong", bucket });
  const wrong = await stranger.get(key).catch((error) => error);
  assert.deepEqual([wrong.status, wrong.code], [403, "SignatureDoesNotMatch"]);

  const all = (await client.listV2({ "max-keys": 1000 })).objects.map((each) => each.name);
  await client.deleteMulti(all, { quiet: true });
  await client.deleteBucket(bucket);
  return all.length;
}

for (const v4 of [false, true]) console.log(`${v4 ? "V4" : "V1"}: ${await judge(v4)} objects`);

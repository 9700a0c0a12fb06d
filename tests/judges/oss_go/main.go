// What the Go SDK does with an object store, against the one that the environment names. Exit status 0: all as it should be.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func check(holds bool, what string) {
	if !holds {
		log.Fatalf("not so: %s", what)
	}
}

func random(size int) []byte {
	data := make([]byte, size)
	_, err := rand.Read(data)
	must(err)
	return data
}

func client(secret string, version oss.SignatureVersionType) *oss.Client {
	provider := credentials.NewStaticCredentialsProvider(os.Getenv("KEY"), secret, "")
	config := oss.LoadDefaultConfig().
		WithCredentialsProvider(provider).
		WithRegion(os.Getenv("REGION")).
		WithEndpoint(os.Getenv("ENDPOINT")).
		WithUsePathStyle(true).
		WithSignatureVersion(version)
	return oss.NewClient(config)
}

func read(c *oss.Client, bucket, key string) []byte {
	got, err := c.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)})
	must(err)
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	must(err)
	return data
}

func judge(name string, version oss.SignatureVersionType) {
	c := client(os.Getenv("SECRET"), version)
	bucket := "oss-go-" + name + "-" + hex.EncodeToString(random(4))
	_, err := c.PutBucket(ctx, &oss.PutBucketRequest{Bucket: oss.Ptr(bucket)})
	must(err)

	key, data := "dir/文件 a+b&c=d%.txt", random(300_000)
	put, err := c.PutObject(ctx, &oss.PutObjectRequest{
		Bucket: oss.Ptr(bucket), Key: oss.Ptr(key), Body: bytes.NewReader(data),
		Metadata: map[string]string{"tenant": "acme"},
	})
	must(err)
	check(put.HashCRC64 != nil, "an upload has a CRC-64")
	check(bytes.Equal(read(c, bucket, key), data), "what goes in comes out")
	head, err := c.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)})
	must(err)
	check(head.Metadata["tenant"] == "acme" && head.ContentLength == int64(len(data)), "head")

	big, folder := random(9_000_000), must2(os.MkdirTemp("", "oss-go"))
	defer os.RemoveAll(folder)
	must(os.WriteFile(filepath.Join(folder, "big"), big, 0o600))
	small := func(o *oss.UploaderOptions) { o.PartSize = 1 << 20; o.ParallelNum = 4 }
	_, err = c.NewUploader(small).UploadFile(ctx, &oss.PutObjectRequest{
		Bucket: oss.Ptr(bucket), Key: oss.Ptr("big"),
	}, filepath.Join(folder, "big"))
	must(err)
	_, err = c.NewDownloader(func(o *oss.DownloaderOptions) { o.PartSize = 1 << 20 }).DownloadFile(ctx,
		&oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("big")}, filepath.Join(folder, "back"))
	must(err)
	check(bytes.Equal(must2(os.ReadFile(filepath.Join(folder, "back"))), big), "parts up and down")
	_, err = c.NewCopier(func(o *oss.CopierOptions) { o.PartSize = 1 << 20; o.MultipartCopyThreshold = 1 << 20 }).Copy(ctx,
		&oss.CopyObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("copy"), SourceKey: oss.Ptr("big")})
	must(err)
	check(bytes.Equal(read(c, bucket, "copy"), big), "a copy in parts")

	file, err := c.AppendFile(ctx, bucket, "log")
	must(err)
	_, err = file.Write([]byte("one"))
	must(err)
	_, err = file.Write([]byte("two"))
	must(err)
	must(file.Close())
	check(string(read(c, bucket, "log")) == "onetwo", "append")
	opened, err := c.OpenFile(ctx, bucket, "big")
	must(err)
	_, err = opened.Seek(-10, io.SeekEnd)
	must(err)
	check(bytes.Equal(must2(io.ReadAll(opened)), big[len(big)-10:]), "an open file reads where it is told to")

	signed, err := c.Presign(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)}, oss.PresignExpires(time.Minute))
	must(err)
	answer, err := http.Get(signed.URL)
	must(err)
	check(bytes.Equal(must2(io.ReadAll(answer.Body)), data), "a signed URL")

	for number := range 25 {
		_, err = c.PutObject(ctx, &oss.PutObjectRequest{
			Bucket: oss.Ptr(bucket), Key: oss.Ptr(fmt.Sprintf("many/%02d", number)), Body: strings.NewReader("x"),
		})
		must(err)
	}
	pages, keys := c.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: oss.Ptr(bucket), MaxKeys: 7}), []oss.DeleteObject{}
	for pages.HasNext() {
		page, err := pages.NextPage(ctx)
		must(err)
		for _, each := range page.Contents {
			keys = append(keys, oss.DeleteObject{Key: each.Key})
		}
	}
	check(len(keys) == 29, fmt.Sprintf("29 objects are listed, not %d", len(keys)))

	_, err = c.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr("not-there")})
	says(err, 404, "NoSuchKey")
	_, err = client("wrong", version).GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(bucket), Key: oss.Ptr(key)})
	says(err, 403, "SignatureDoesNotMatch")

	_, err = c.DeleteMultipleObjects(ctx, &oss.DeleteMultipleObjectsRequest{Bucket: oss.Ptr(bucket), Objects: keys})
	must(err)
	_, err = c.DeleteBucket(ctx, &oss.DeleteBucketRequest{Bucket: oss.Ptr(bucket)})
	must(err)
	fmt.Printf("%s: %d objects\n", name, len(keys))
}

func says(err error, status int, code string) {
	var service *oss.ServiceError
	check(errors.As(err, &service), "the service refuses")
	check(service.StatusCode == status && service.Code == code, fmt.Sprintf("%d %s, not %v", status, code, service))
}

func must2[T any](value T, err error) T {
	must(err)
	return value
}

func main() {
	judge("v1", oss.SignatureVersionV1)
	judge("v4", oss.SignatureVersionV4)
}

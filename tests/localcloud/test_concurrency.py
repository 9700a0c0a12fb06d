"""Many clients at once, and clients that are slow or break off."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import oss2
import psutil
import requests

from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud

THREADS = 16


def test_forbid_overwrite_lets_exactly_one_of_many_writers_win(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    for turn in range(5):
        start = threading.Barrier(THREADS)

        def write(number: int, key: str = f"lease-{turn}", start: threading.Barrier = start) -> str:
            client = bucket_of(cloud, bucket.bucket_name)
            start.wait()
            try:
                client.put_object(key, f"writer {number}", headers={"x-oss-forbid-overwrite": "true"})
            except oss2.exceptions.ServerError as error:
                return error.code
            return f"writer {number}"

        with ThreadPoolExecutor(THREADS) as pool:
            outcomes = list(pool.map(write, range(THREADS)))
        winner = bucket.get_object(f"lease-{turn}").read().decode()
        assert sorted(outcomes) == sorted([winner] + ["FileAlreadyExists"] * (THREADS - 1))


def test_readers_see_one_whole_object_while_many_writers_replace_it(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    sizes = [100_000 + 50_000 * number for number in range(4)]
    bodies = [bytes([number]) * size for number, size in enumerate(sizes)]
    bucket.put_object("key", bodies[0])
    done = threading.Event()

    def write(body: bytes) -> None:
        client = bucket_of(cloud, bucket.bucket_name)
        for _ in range(10):
            client.put_object("key", body)

    def read(_: int) -> int:
        client, count = bucket_of(cloud, bucket.bucket_name), 0
        while not done.is_set():
            assert client.get_object("key").read() in bodies
            count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read, number) for number in range(3)]
        for writer in [pool.submit(write, body) for body in bodies]:
            writer.result()
        done.set()
        assert all(reader.result() > 0 for reader in readers)
    assert bucket.get_object("key").read() in bodies


def test_concurrent_appends_all_arrive(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    def append(number: int) -> None:
        client = bucket_of(cloud, bucket.bucket_name)
        position = 0
        while True:
            try:
                client.append_object("log", position, f"{number:03}\n")
            except oss2.exceptions.PositionNotEqualToLength as error:
                position = error.next_position
            else:
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(40)))
    lines = bucket.get_object("log").read().decode().split()
    assert sorted(lines) == [f"{number:03}" for number in range(40)]


def test_a_reader_keeps_its_version_when_the_object_is_replaced(bucket: oss2.Bucket) -> None:
    old = secrets.token_bytes(32 * 1024 * 1024)
    bucket.put_object("key", old)
    opened = bucket.get_object("key")
    start = opened.read(10)
    bucket.put_object("key", b"new")
    bucket.delete_object("key")
    assert start + opened.read() == old


def test_slow_clients_do_not_hold_up_others(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    url = urlsplit(bucket.sign_url("PUT", "slow", 60))
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 1000\r\n\r\nfew bytes"
    slow = [socket.create_connection(cloud.address) for _ in range(100)]
    for connection in slow:
        connection.sendall(head.encode())
    bucket.put_object("quick", b"data")
    assert bucket.get_object("quick").read() == b"data"
    for connection in slow:
        connection.close()
    assert not bucket.object_exists("slow")


def test_an_upload_that_breaks_off_leaves_the_old_object(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    bucket.put_object("key", b"old")
    url = urlsplit(bucket.sign_url("PUT", "key", 60))
    with socket.create_connection(cloud.address) as connection:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 5000000\r\n\r\n"
        connection.sendall(head.encode() + bytes(3_000_000))
    time.sleep(0.2)
    assert bucket.get_object("key").read() == b"old"


def test_a_client_that_does_not_read_costs_no_memory(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    bucket.put_object("big", bytes(200 * 1024 * 1024))
    url = bucket.sign_url("GET", "big", 60)
    before = resident_bytes(cloud)
    stalled = [requests.get(url, stream=True, timeout=10) for _ in range(3)]
    time.sleep(1)
    assert resident_bytes(cloud) - before < 100 * 1024 * 1024
    for answer in stalled:
        answer.close()


def resident_bytes(cloud: LocalCloud) -> int:
    return int(psutil.Process(cloud.pid).memory_info().rss)

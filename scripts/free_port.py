"""Prints a port that nothing listens at, and that no connection takes by chance: those of connections begin at 32768."""

import random
import socket


def free_port():
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


if __name__ == "__main__":
    print(free_port())

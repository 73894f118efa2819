FROM rust:1.95-bookworm AS builder
WORKDIR /build
COPY . .
# Debugging information is for those who build themselves; backtraces keep their function names.
RUN cargo build --release --locked \
 && strip --strip-debug target/release/certstream-server

FROM debian:bookworm-slim
# The certificates that the logs' own HTTPS is checked with.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/certstream-server certstream
COPY --from=builder /build/target/release/certstream-server /usr/local/bin/certstream-server
COPY config/certstream.toml /etc/certstream-server/certstream.toml
RUN certstream-server check-config --config /etc/certstream-server/certstream.toml

USER 10001
WORKDIR /var/lib/certstream-server
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
  CMD certstream-server health --address "127.0.0.1:${PORT:-8080}"
ENTRYPOINT ["certstream-server"]
CMD ["--config", "/etc/certstream-server/certstream.toml"]

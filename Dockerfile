FROM rust:1.95-bookworm AS builder
WORKDIR /build
# Features of the program, besides the usual ones.
ARG FEATURES="cluster kafka"
# Dependencies first: they change seldom, and are built once. OpenSSL is among them. Cargo looks for the files of tests and
# benches that Cargo.toml names, which are not there yet.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
 && echo 'fn main() {}' >src/main.rs \
 && touch src/lib.rs \
 && sed -i '/^\[\[/,/^$/d' Cargo.toml \
 && cargo build --release --locked ${FEATURES:+--features "$FEATURES"}
COPY . .
# Debugging information is for those who build themselves; backtraces keep their function names.
RUN touch src/main.rs src/lib.rs \
 && cargo build --release --locked ${FEATURES:+--features "$FEATURES"} \
 && strip --strip-debug target/release/certstream-server

FROM debian:bookworm-slim
# The certificates that the logs' own HTTPS is checked with.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 certstream \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/certstream-server certstream \
 && install -d -m 700 -o certstream -g certstream /var/lib/certstream-server
COPY --from=builder /build/target/release/certstream-server /usr/local/bin/certstream-server
COPY config/certstream.toml /etc/certstream-server/certstream.toml
RUN certstream-server check-config --config /etc/certstream-server/certstream.toml

LABEL org.opencontainers.image.title="certstream-server" \
      org.opencontainers.image.description="Streams the certificates of the Certificate Transparency logs" \
      org.opencontainers.image.licenses="MIT"
USER 10001:10001
# The only place that is written to: the root file system may be read-only.
ENV CERTSTREAM_STATE_DIR=/var/lib/certstream-server
WORKDIR /var/lib/certstream-server
VOLUME /var/lib/certstream-server
EXPOSE 8080
STOPSIGNAL SIGTERM
# Images in the OCI format have no health check: build with `--format docker` where you use buildah or podman.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
  CMD ["certstream-server", "health", "--config", "/etc/certstream-server/certstream.toml"]
ENTRYPOINT ["certstream-server"]
CMD ["--config", "/etc/certstream-server/certstream.toml"]

# The same in an image that has no shell, no libraries but Node's own, and a user by number.
#   docker build -f docs/examples/node/distroless.Dockerfile -t app docs/examples/node
ARG SUPINIT=supinit
ARG BASE=gcr.io/distroless/nodejs22-debian12
FROM $SUPINIT AS supinit
FROM $BASE
COPY --from=supinit /opt/supinit /opt/supinit
ENV PATH=/opt/supinit/bin:/nodejs/bin:/usr/bin
# /run is for root only there, and no shell can change that.
ENV SUPINIT_RUN_DIR=/tmp/supinit
COPY supinit.yaml /etc/supinit.yaml
COPY server.js /srv/app/
USER 65532:65532
RUN ["/opt/supinit/bin/supinit", "--check"]
RUN ["/opt/supinit/bin/supinit", "--drill", "--timeout", "30s"]
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/opt/supinit/bin/supctl", "healthcheck"]
ENTRYPOINT ["/opt/supinit/bin/supinit"]

# One image for every process of ours: webhook, worker, relay, and the command line. Debian, since the engine's SDK needs glibc.
ARG NODE=26.9.0-bookworm-slim

FROM node:${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY scripts scripts
RUN npm ci
COPY tsconfig.json ./
COPY src src
COPY openclaw openclaw
RUN npm run build && npm prune --omit=dev

FROM node:${NODE}
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
# Named volumes take owner and mode of what they cover.
RUN install -d -o node -g node -m 0700 /data/home /data/results /data/payloads
USER node
ENTRYPOINT ["node", "--enable-source-maps"]
CMD ["dist/kimi-dispatch.cjs", "--help"]

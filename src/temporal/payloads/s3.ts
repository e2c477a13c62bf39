/** What is used of Amazon's SDK: a module of its own, since esbuild gives an `import()` of a CommonJS package no names. */
export { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

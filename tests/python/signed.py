"""Asks for a queue with an access key. Prints the code of the error, if there is one.

signed.py ORIGIN QUEUE KEY_ID SECRET
"""

import json
import sys

from botocore.exceptions import ClientError

import consumer


def main():
    origin, queue, key_id, secret = sys.argv[1:]
    try:
        consumer.queue_url(consumer.client("sqs", origin, key_id, secret), queue)
        print(json.dumps({"error": None}))
    except ClientError as error:
        print(json.dumps({"error": error.response["Error"]["Code"]}))


main()

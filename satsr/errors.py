"""The one error a user meets: a sentence that says what was expected, what was found, and what to do."""


class SatsrError(Exception):
    """Bad input or a broken environment, told as a sentence with its fix.

    The doors (``python -m steps``, ``satsr``) print it without a traceback and exit with code 1. Library code raises it
    for whatever a user can cause; programming errors stay ordinary exceptions.
    """

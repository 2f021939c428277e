"""The interfaces of collective.futures."""

from zope.interface import Interface


class IContainsPromises(Interface):
    """Marks a request whose pass has submitted promises.

    Without the mark, the pass is the answer, with its placeholders::

        noLongerProvides(request, IContainsPromises)
    """


class IPromises(Interface):
    """The promises that this pass of a request has submitted, by their keys."""


class IFutures(Interface):
    """The results of the request's earlier passes, by their keys.

    The result of a promise that has raised an exception is that exception.
    """

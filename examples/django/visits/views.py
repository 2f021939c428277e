"""The pages: each runs in a worker, inside a transaction."""

import time

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .models import Counter


def page(request):
    return render(request, "visits/page.html", {"counter": Counter.objects.get()})


@csrf_exempt
@require_POST
def visit(request):
    """Add one. Two such requests conflict if both have read before either has written.

    The loser is published again after a pause that holds no worker, and no visit is lost.
    """
    counter = Counter.objects.get()
    counter.value += 1
    counter.save()
    return HttpResponse(f"{counter.value}\n", content_type="text/plain")


def weather(request):
    """Ask two services at the same time, without holding a worker meanwhile."""
    promises = request.environ["euryale.promises"]
    promises.submit("rain", fetch, "rain")
    promises.submit("wind", fetch, "wind")
    # The first pass ends here. The view runs again when both results are there.
    text = f"{promises.result('rain')}, {promises.result('wind')}\n"
    return HttpResponse(text, content_type="text/plain")


def fetch(what):
    """Stand for a request to another service. It runs in a thread outside the workers."""
    time.sleep(0.2)
    return f"no {what}"

import pytest

from accounts.tests.factories import UserFactory
from billing.tests.factories import CustomerFactory, InvoiceFactory


@pytest.fixture
def support(log_in):
    return log_in(UserFactory(name="Sue Support", role="support"))


@pytest.fixture
def customer(owner):
    return CustomerFactory(user=owner.user)


@pytest.fixture
def invoice(customer):
    return InvoiceFactory(customer=customer)


@pytest.fixture
def callers(owner, stranger, support, admin):
    return {"owner": owner, "stranger": stranger, "support": support, "admin": admin}

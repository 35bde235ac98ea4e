"""The shop in the admin: an invoice with its lines, found by its id in one partition."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib import admin

from deploy.shop.models import Customer, Invoice, InvoiceLine, Order

if TYPE_CHECKING:
    OrderBase = admin.ModelAdmin[Order]
    InvoiceBase = admin.ModelAdmin[Invoice]
    LinesBase = admin.TabularInline[InvoiceLine, Invoice]
else:
    OrderBase = InvoiceBase = admin.ModelAdmin
    LinesBase = admin.TabularInline

admin.site.register(Customer)


@admin.register(Order)
class OrderAdmin(OrderBase):
    """Orders, the latest first."""

    list_display = ("id", "placed_at", "customer", "total")
    list_select_related = ("customer",)
    ordering = ("-placed_at",)


class LinesInline(LinesBase):
    """The lines of an invoice."""

    model = InvoiceLine
    extra = 1


@admin.register(Invoice)
class InvoiceAdmin(InvoiceBase):
    """Invoices, the latest first: their ids are in the order of time."""

    list_display = ("id", "made_at", "customer", "total")
    list_select_related = ("customer",)
    ordering = ("-id",)
    readonly_fields = ("made_at",)
    inlines = (LinesInline,)

    @admin.display(description="made at", ordering="id")
    def made_at(self, invoice: Invoice) -> datetime:
        """Return the time that the id holds."""
        return invoice.made_at

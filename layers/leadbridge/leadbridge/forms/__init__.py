"""The forms that leads come from: one module an adapter, all behind one interface (`forms.adapter.Adapter`)."""

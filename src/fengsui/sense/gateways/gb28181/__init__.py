"""The platform's side of GB/T 28181: devices register here, are asked, ordered and called, and send their pictures.

``transport`` sockets and transactions · ``registrar`` who is there · ``platform`` what is asked and answered ·
``calls`` INVITE and BYE · ``stream`` RTP to fragments for a browser · ``picture`` a program of its own that decodes ·
``camera`` the device's side, for trials and tests.
"""

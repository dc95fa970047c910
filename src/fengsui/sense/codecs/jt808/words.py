"""The words of JT/T 808, JT/T 1078 and T/JSATL 12 in Chinese, by the names that fields, values and messages have here.

The names of fields are those of the tables of the standards, shortened; a name that is put together of others
(``lane_change_video_s``) is put together in Chinese as well.
"""

from fengsui.sense.codecs.frame import Term


def _table(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


FIELDS = _table("""
reply_serial=应答流水号 reply_id=应答ID result=结果 first_serial=原始消息流水号 indices=重传包ID列表 province=省域ID city=市县域ID
maker=制造商ID model=终端型号 terminal_id=终端ID plate_colour=车牌颜色 plate=车辆标识 code=鉴权码 imei=IMEI
software_version=软件版本号 parameters=参数项 terminal_type=终端类型 iccid=SIM卡ICCID hardware_version=硬件版本号
firmware_version=固件版本号 gnss=GNSS模块属性 network=通信模块属性 upgrade=升级类型 location=位置信息 event_id=事件ID answer_id=答案ID
information_type=信息类型 order=点播/取消标志 kind=类型 areas=区域项 command=命令 data=数据 content=内容 state=状态 time=时间
card_result=IC卡读取结果 name=名称 certificate=从业资格证编码 issuer=发证机构名称 valid_until=证件有效期 identity_card=身份证号 count=数据项个数
locations=位置汇报数据体 received_at=CAN总线数据接收时间 items=数据项 media_id=多媒体数据ID media_type=多媒体类型 format=多媒体格式编码
event=事件项编码 channel=通道ID media_ids=多媒体ID列表 type=透传消息类型 compressed=压缩消息体 e=RSA公钥e n=RSA公钥n arguments=命令参数
ids=ID列表 version=版本号 package=升级数据包 interval_s=时间间隔 for_s=有效期 alarm_serial=报警消息流水号 alarms=人工确认报警类型 flag=标志
text_type=文本类型 text=文本信息 setting=设置属性 events=事件项 id=ID question=问题 answers=候选答案列表 phone=电话号码 contacts=联系人项
controls=控制类型列表 control=控制类型 value=控制参数 attribute=区域属性 latitude=纬度 longitude=经度 radius_m=半径 from=起始时间 to=结束时间
highest_speed_km_h=最高速度 overspeed_for_s=超速持续时间 night_highest_speed_km_h=夜间最高速度 upper_left=左上点 lower_right=右下点 points=拐点项
section_id=路段ID width_m=路段宽度 section=路段属性 longest_s=路段行驶过长阈值 shortest_s=路段行驶不足阈值 store=保存标志 resolution=分辨率
quality=图像质量 brightness=亮度 contrast=对比度 saturation=饱和度 chroma=色度 then=删除标志 sampling_rate=音频采样率
audio_encoding=输入音频编码方式 audio_channels=输入音频声道数 audio_rate=输入音频采样率 audio_bits=输入音频采样位数 audio_frame_length=音频帧长度
audio_output=是否支持音频输出 video_encoding=视频编码方式 most_audio_channels=最大音频物理通道数 most_video_channels=最大视频物理通道数 got_on=上车人数
got_off=下车人数 alarm=报警标志 media=音视频类型 stream=码流类型 storage=存储器类型 size=文件大小 alarm_number=报警标识号 alarm_code=报警编号
files=附件 file_type=文件类型 server=服务器地址 tcp_port=TCP端口 udp_port=UDP端口 close=关闭音视频类型 lost_percent=丢包率 mode=方式
speed=速度 at=时刻 port=端口 user=用户名 password=密码 path=文件路径 when=任务执行条件 reserved=保留 reserved_2=保留 missing=补传数据包
offset=数据偏移量 length=长度 direction=方向 status=状态 altitude_m=高程 speed_km_h=速度 direction_deg=方向 mileage_km=里程 fuel_l=油量
recorder_speed_km_h=行驶记录速度 alarm_event_id=人工确认报警事件ID tyre_pressure=胎压 cabin_temperature_c=车厢温度 satellites=卫星状态
beidou=北斗 gps=GPS glonass=GLONASS galileo=Galileo number=卫星编号 elevation_deg=仰角 azimuth_deg=方位角 overspeed=超速报警附加信息
place=位置类型 area_id=区域或路段ID area_or_route=进出区域/路线报警附加信息 section_time=路段行驶时间不足/过长报警附加信息 time_s=路段行驶时间
video_alarm=视频相关报警 video_signal_lost_channels=视频信号丢失报警状态 video_signal_covered_channels=视频信号遮挡报警状态 storage_fault=存储器故障报警状态
abnormal_driving=异常驾驶行为报警 fatigue=疲劳程度 vehicle_signals=扩展车辆信号状态位 io_status=IO状态位 analogue=模拟量 signal_strength=无线通信网络信号强度
satellite_count=GNSS定位卫星数 driver_assistance_alarm=高级驾驶辅助系统报警信息 alarm_id=报警ID level=报警级别 front_speed_km_h=前车车速
front_distance_100_ms=前车/行人距离 departure=偏离类型 road_sign=道路标志识别类型 road_sign_value=道路标志识别数据 vehicle=车辆状态
driver_state_alarm=驾驶员状态监测系统报警信息 tyre_alarm=胎压监测系统报警信息 tyres=轮胎 position=胎压报警位置 pressure_kpa=胎压 temperature_c=胎温
battery_percent=电池电量 blind_spot_alarm=盲区监测系统报警信息 heartbeat_interval_s=终端心跳发送间隔 tcp_answer_timeout_s=TCP消息应答超时时间
tcp_repeats=TCP消息重传次数 udp_answer_timeout_s=UDP消息应答超时时间 udp_repeats=UDP消息重传次数 sms_answer_timeout_s=SMS消息应答超时时间
sms_repeats=SMS消息重传次数 main_apn=主服务器APN main_user=主服务器拨号用户名 main_password=主服务器拨号密码 main_address=主服务器地址
backup_apn=备份服务器APN backup_user=备份服务器拨号用户名 backup_password=备份服务器拨号密码 backup_address=备份服务器地址
card_main_address=IC卡认证主服务器地址 card_tcp_port=IC卡认证服务器TCP端口 card_udp_port=IC卡认证服务器UDP端口 card_backup_address=IC卡认证备份服务器地址
report_strategy=位置汇报策略 report_scheme=位置汇报方案 interval_logged_out_s=驾驶员未登录汇报时间间隔 slave_apn=从服务器APN
slave_user=从服务器拨号用户名 slave_password=从服务器拨号密码 slave_address=从服务器地址 interval_asleep_s=休眠时汇报时间间隔
interval_emergency_s=紧急报警时汇报时间间隔 distance_m=缺省距离汇报间隔 distance_logged_out_m=驾驶员未登录汇报距离间隔
distance_asleep_m=休眠时汇报距离间隔 distance_emergency_m=紧急报警时汇报距离间隔 turn_angle_deg=拐点补传角度 fence_radius_m=电子围栏半径
illegal_driving_hours=违规行驶时段范围 platform_phone=监控平台电话号码 reset_phone=复位电话号码 factory_reset_phone=恢复出厂设置电话号码
platform_sms_phone=监控平台SMS电话号码 alarm_sms_phone=接收终端SMS文本报警号码 answer_strategy=终端电话接听策略 call_longest_s=每次最长通话时间
call_month_longest_s=当月最长通话时间 listening_phone=监听电话号码 privileged_sms_phone=监管平台特权短信号码 alarm_mask=报警屏蔽字
alarm_sms=报警发送文本SMS开关 alarm_picture=报警拍摄开关 alarm_picture_stored=报警拍摄存储标志 alarm_key=关键标志 driving_longest_s=连续驾驶时间门限
driving_day_longest_s=当天累计驾驶时间门限 rest_shortest_s=最小休息时间 parking_longest_s=最长停车时间 overspeed_warning_0_1_km_h=超速预警差值
fatigue_warning_s=疲劳驾驶预警差值 collision=碰撞报警参数 rollover_deg=侧翻报警参数 timed_pictures=定时拍照控制 distance_pictures=定距拍照控制
picture_quality=图像/视频质量 video=音视频参数 live_encoding=实时流编码模式 live_resolution=实时流分辨率 live_key_frame_interval=实时流关键帧间隔
live_frame_rate=实时流目标帧率 live_kbit_s=实时流目标码率 stored_encoding=存储流编码模式 stored_resolution=存储流分辨率
stored_key_frame_interval=存储流关键帧间隔 stored_frame_rate=存储流目标帧率 stored_kbit_s=存储流目标码率 overlay=OSD字幕叠加设置 audio=是否启用音频输出
channels=音视频通道列表 physical_channel=物理通道号 logical_channel=逻辑通道号 pan_tilt=是否连接云台 video_of_channels=单独视频通道参数
special_recording=特殊报警录像参数 storage_percent=特殊报警录像存储阈值 longest_min=特殊报警录像持续时间 before_min=特殊报警标识起始时间
video_alarm_mask=视频相关报警屏蔽字 picture_analysis=图像分析报警参数 seats=车辆核载人数 fatigue_threshold=疲劳程度阈值 wake_up=终端休眠唤醒模式
condition=唤醒条件类型 weekdays=定时唤醒日 periods=日定时唤醒启用标志 wake_1=时间段1唤醒时间 sleep_1=时间段1关闭时间 wake_2=时间段2唤醒时间
sleep_2=时间段2关闭时间 wake_3=时间段3唤醒时间 sleep_3=时间段3关闭时间 wake_4=时间段4唤醒时间 sleep_4=时间段4关闭时间
odometer_0_1_km=车辆里程表读数 gnss_mode=GNSS定位模式 gnss_baud_rate=GNSS波特率 gnss_output_rate=GNSS模块详细定位数据输出频率
gnss_interval_s=GNSS模块详细定位数据采集频率 gnss_upload_mode=GNSS模块详细定位数据上传方式 gnss_upload_setting=GNSS模块详细定位数据上传设置
can_1_interval_ms=CAN总线通道1采集时间间隔 can_1_upload_s=CAN总线通道1上传时间间隔 can_2_interval_ms=CAN总线通道2采集时间间隔
can_2_upload_s=CAN总线通道2上传时间间隔 can_id=CAN总线ID单独采集设置 driver_assistance=高级驾驶辅助系统参数 driver_state=驾驶员状态监测系统参数
speed_threshold_km_h=报警判断速度阈值 volume=报警提示音量 picture_strategy=主动拍照策略 picture_interval_s=主动定时拍照时间间隔
picture_distance_100_m=主动定距拍照距离间隔 pictures=单次主动拍照张数 picture_gap_100_ms=单次主动拍照时间间隔 picture_resolution=拍照分辨率
video_resolution=视频录制分辨率 alarms_enabled=报警使能 events_enabled=事件使能 lane_change_window_s=频繁变道报警判断时间段
lane_change_count=频繁变道报警判断次数 smoking_interval_s=吸烟报警判断时间间隔 phone_interval_s=接打电话报警判断时间间隔 identification=驾驶员身份识别触发
pressure_unit=胎压单位 normal=正常胎压值 unbalanced_percent=胎压不平衡门限 slow_leak_percent=慢漏气门限 low=低压阈值 high=高压阈值
high_temperature_c=高温阈值 blind_spot=盲区监测系统参数 rear_time_s=后方接近报警阈值 side_time_s=侧后方接近报警阈值 sequence=序号
work_state=工作状态 company=公司名称 device_id=设备ID user_code=客户代码 rest=标准以外的字节 body=消息体 part=分包内容 encrypted=加密的消息体
audio_and_video=音视频通道总数
""")

_CAPTURES = _table("""
obstacle=障碍物报警 lane_change=频繁变道报警 lane_departure=车道偏离报警 forward_collision=前向碰撞报警 pedestrian=行人碰撞报警
distance=车距监控报警 road_sign=道路标志识别 solid_line=实线变道报警 aisle=车厢过道行人检测报警 phone=接打电话报警 smoking=吸烟报警
distracted=分神驾驶报警 abnormal=驾驶行为异常报警 camera_covered=摄像头遮挡报警 seat_belt=不系安全带报警 sunglasses=红外墨镜阻断报警
hands_off=双手脱离方向盘报警 phone_play=玩手机报警 fatigue=疲劳驾驶报警
""")
_OF_CAPTURE = _table("""
_level_speed_km_h=分级速度阈值 _video_s=前后视频录制时间 _picture_interval_100_ms=拍照间隔时间 _pictures=拍照张数
_distance_100_ms=距离阈值 _time_100_ms=时间阈值
""")

VALUES = _table("""
success=成功 failure=失败 wrong_message=消息有误 not_supported=不支持 alarm_confirmed=报警处理确认 unknown=未知 no_plate=未上牌
blue=蓝色 yellow=黄色 black=黑色 white=白色 green=绿色 other=其他 passenger_vehicle=适用客运车辆 dangerous_goods=适用危险品车辆
freight=适用普通货运车辆 taxi=适用出租车辆 hard_disk_video=支持硬盘录像 split_device=分体机 trailer=适用挂车 gps=GPS beidou=北斗
terminal=终端 ic_card_reader=道路运输证IC卡读卡器 beidou_module=北斗卫星定位模块 cancelled=取消 cancel=取消 order=点播 circle=圆形区域
rectangle=矩形区域 polygon=多边形区域 route=路线 section=路段 card_in=从业资格证IC卡插入 card_out=从业资格证IC卡拔出 read=读卡成功
not_verified=卡片密钥认证未通过 locked=卡片已被锁定 pulled_out=卡片被拔出 check_failed=数据校验错误 normal=正常位置批量汇报 blind_area=盲区补报
picture=图像 audio=音频 video=视频 platform_order=平台下发指令 timed=定时动作 robbery=抢劫报警触发 collision_or_rollover=碰撞侧翻报警触发
door_opened=门开拍照 door_closed=门关拍照 door_closed_speed_over_20=车门由开变关且车速超过20km/h distance=定距拍照
channel_not_supported=通道不支持 gnss_module=GNSS模块详细定位数据 ic_card=道路运输证IC卡信息 serial_1=串口1透传 serial_2=串口2透传
vehicle_exists=车辆已被注册 no_vehicle=数据库中无该车辆 terminal_exists=终端已被注册 no_terminal=数据库中无该终端 upgrade=无线升级
connect_to_server=连接指定服务器 switch_off=终端关机 reset=终端复位 factory_reset=恢复出厂设置 stop_data=关闭数据通信
stop_all_radio=关闭所有无线通信 emergency=紧急报警 overspeed=超速报警 fatigue=疲劳驾驶 dangerous_driving=危险驾驶行为报警
danger_warning=危险预警 gnss_module_fault=GNSS模块发生故障 gnss_antenna_open=GNSS天线未接或被剪断 gnss_antenna_short=GNSS天线短路
main_power_low=终端主电源欠压 main_power_off=终端主电源掉电 display_fault=终端LCD或显示器故障 tts_fault=TTS模块故障 camera_fault=摄像头故障
ic_card_module_fault=道路运输证IC卡模块故障 overspeed_warning=超速预警 fatigue_warning=疲劳驾驶预警 driving_against_rules=违规行驶报警
tyre_pressure_warning=胎压预警 right_turn_blind_spot=右转盲区异常报警 driving_time_of_day_exceeded=当天累计驾驶超时 parking_too_long=超时停车
area_entered_or_left=进出区域 route_entered_or_left=进出路线 section_time_short_or_long=路段行驶时间不足或过长 off_route=路线偏离报警
vss_fault=车辆VSS故障 fuel_abnormal=车辆油量异常 stolen=车辆被盗 illegal_ignition=车辆非法点火 illegal_movement=车辆非法位移
collision=碰撞侧翻报警 rollover_warning=侧翻预警 illegal_door_opening=非法开门报警 acc_on=ACC开 fixed=定位 south=南纬 west=西经
out_of_service=停运状态 position_encrypted=经纬度已加密 forward_collision_warning=紧急刹车系统采集的前撞预警 lane_departure_warning=车道偏移预警
fuel_cut=车辆油路断开 circuit_cut=车辆电路断开 doors_locked=车门加锁 front_door_open=门1开(前门) middle_door_open=门2开(中门)
rear_door_open=门3开(后门) driver_door_open=门4开(驾驶席门) door_5_open=门5开 glonass=GLONASS galileo=Galileo moving=车辆行驶
urgent=紧急 display=终端显示器显示 read_aloud=终端TTS播读 advertising_screen=广告屏显示 can_fault_code=CAN故障码信息 notice=通知 service=服务
clear=清除 update=更新 append=追加 change=修改 delete=删除 delete_all=删除全部 keep=保留 call=普通通话 listen=监听 incoming=呼入
outgoing=呼出 both=呼入/呼出 doors=车门 lock_doors=车门加锁 by_time=根据时间 speed_limited=限速 time_limited=行驶时间
entering_tells_driver=进区域报警给驾驶员 entering_tells_platform=进区域报警给平台 leaving_tells_driver=出区域报警给驾驶员
leaving_tells_platform=出区域报警给平台 doors_stay_closed=禁止开门 no_communication=进区域关闭通信模块 collects_satellite_data=进区域采集GNSS详细定位数据
stop=停止 start=开始 record=录像 pictures=拍照 upload=实时上传 store=保存 lowest=最低分辨率 highest=最高分辨率 none=无 in=进 out=出
too_short=不足 too_long=过长 video_signal_lost=视频信号丢失报警 video_signal_covered=视频信号遮挡报警 storage_fault=存储单元故障报警
other_video_fault=其他视频设备故障报警 overcrowded=客车超员报警 abnormal_driving=异常驾驶行为报警 special_recording_near_limit=特殊报警录像达到存储阈值
audio_and_video=音视频 video_or_both=视频或音视频 any=所有 main=主 sub=子码流 spare=灾备 first=普通报警文件 again=补传报警文件 text=文本
face_picture=面部图片 phone_call=接打电话 smoking=抽烟 low_beam=近光灯信号 high_beam=远光灯信号 right_turn=右转向灯信号 left_turn=左转向灯信号
brake=制动信号 reverse=倒档信号 fog_lamp=雾灯信号 outline_lamp=示廓灯 horn=喇叭信号 air_conditioner=空调状态 neutral=空挡信号
retarder=缓速器工作 abs=ABS工作 heater=加热器工作 clutch=离合器状态 deep_sleep=深度休眠 sleep=休眠 not_available=不可用 begin=开始标志
end=结束标志 forward_collision=前向碰撞报警 lane_departure=车道偏离报警 too_close=车距过近报警 pedestrian_collision=行人碰撞报警
frequent_lane_change=频繁变道报警 road_sign_exceeded=道路标识超限报警 obstacle=障碍物报警 road_sign_seen=道路标志识别事件 picture_taken=主动抓拍事件
solid_line_crossed=实线变道报警 person_in_aisle=车厢过道行人检测报警 distracted=分神驾驶报警 driver_abnormal=驾驶员异常报警
camera_covered=摄像头遮挡报警 driving_too_long=超时驾驶报警 no_seat_belt=未系安全带报警 sunglasses_block_infrared=红外阻断型墨镜失效报警
hands_off_wheel=双手脱离方向盘报警 playing_with_phone=玩手机报警 driver_changed=驾驶员变更事件 regular_report=定时上报 pressure_high=胎压过高报警
pressure_low=胎压过低报警 temperature_high=胎温过高报警 sensor_abnormal=传感器异常报警 pressure_unbalanced=胎压不平衡报警 slow_leak=慢漏气报警
battery_low=电池电量低报警 rear=后方接近报警 rear_left=左侧后方接近报警 rear_right=右侧后方接近报警 left=左侧 right=右侧 speed=限速 height=限高
weight=限重 no_entry=禁行 no_stopping=禁停 wiper=雨刮器状态 card_inserted=插卡状态 time=定时汇报 time_and_distance=定时和定距汇报
driver_assistance=高级驾驶辅助系统 driver_state=驾驶员状态监测系统 tyres=轮胎气压监测系统 blind_spot=盲区监测系统 working=正常工作 standby=待机状态
upgrading=升级维护 fault=设备异常 not_connected=断开连接 peripheral_state=外设状态信息 peripheral_about=外设传感器的基本信息
""")

MESSAGES = _table("""
terminal_general_answer=终端通用应答 heartbeat=终端心跳 log_out=终端注销 query_server_time=查询服务器时间请求 terminal_resend_request=终端补传分包请求
registration=终端注册 authentication=终端鉴权 parameters_answer=查询终端参数应答 attributes_answer=查询终端属性应答 upgrade_result=终端升级结果通知
location=位置信息汇报 location_answer=位置信息查询应答 event_report=事件报告 question_answer=提问应答 information_order=信息点播/取消
vehicle_control_answer=车辆控制应答 areas_answer=查询区域或线路数据应答 recorder_data=行驶记录数据上传 waybill=电子运单上报 driver=驾驶员身份信息采集上报
location_batch=定位数据批量上传 can_data=CAN总线数据上传 media_event=多媒体事件信息上传 media_data=多媒体数据上传 media_search_answer=存储多媒体数据检索应答
camera_answer=摄像头立即拍摄命令应答 transparent_up=数据上行透传 compressed=数据压缩上报 terminal_public_key=终端RSA公钥
platform_general_answer=平台通用应答 platform_resend_request=服务器补传分包请求 server_time=查询服务器时间应答 registration_answer=终端注册应答
set_parameters=设置终端参数 query_parameters=查询终端参数 control=终端控制 query_some_parameters=查询指定终端参数 query_attributes=查询终端属性
upgrade=下发终端升级包 query_location=位置信息查询 track=临时位置跟踪控制 confirm_alarms=人工确认报警消息 link_check=链路检测 text=文本信息下发
set_events=事件设置 question=提问下发 set_information_menu=信息点播菜单设置 information=信息服务 call_back=电话回拨 set_phone_book=设置电话本
vehicle_control=车辆控制 set_circles=设置圆形区域 delete_circles=删除圆形区域 set_rectangles=设置矩形区域 delete_rectangles=删除矩形区域
set_polygon=设置多边形区域 delete_polygons=删除多边形区域 set_route=设置路线 delete_routes=删除路线 query_areas=查询区域或线路数据
collect_recorder_data=行驶记录仪数据采集命令 set_recorder=行驶记录仪参数下传命令 query_driver=上报驾驶员身份信息请求 media_answer=多媒体数据上传应答
camera=摄像头立即拍摄命令 search_media=存储多媒体数据检索 upload_media=存储多媒体数据上传命令 record_sound=录音开始命令
upload_one_media=单条存储多媒体数据检索上传命令 transparent_down=数据下行透传 platform_public_key=平台RSA公钥 media_attributes=终端上传音视频属性
passengers=终端上传乘客流量 recordings=终端上传音视频资源列表 upload_done=文件上传完成通知 alarm_files=报警附件信息消息 file_begins=文件信息上传
file_ends=文件上传完成消息 query_media_attributes=查询终端音视频属性 live_request=实时音视频传输请求 live_control=音视频实时传输控制
live_state=实时音视频传输状态通知 playback_request=平台下发远程录像回放请求 playback_control=平台下发远程录像回放控制 query_recordings=查询资源列表
upload_file=文件上传指令 upload_control=文件上传控制 upload_alarm_files=报警附件上传指令 file_received=文件上传完成消息应答 pan_tilt=云台旋转
focus=云台调整焦距控制 iris=云台调整光圈控制 wiper=云台雨刷控制 infrared_light=红外补光控制 zoom=云台变倍控制 reserved_up=保留(上行)
reserved_down=保留(下行) vendor_up=厂商自定义上行消息 vendor_down=厂商自定义下行消息 unknown=未知消息
""")


def field(name: str) -> Term:
    """The term of a field by its name; a number stands for itself, and a name without a word too."""
    if name in FIELDS:
        return Term(FIELDS[name], name)
    for ending, what in _OF_CAPTURE.items():
        if name.endswith(ending) and (of := _CAPTURES.get(name.removesuffix(ending))):
            return Term(of + what, name)
    if name.startswith("item_0x"):
        return Term(f"附加信息 {name[5:]}", name)
    if name.startswith("parameter_0x"):
        return Term(f"参数 {name[10:]}", name)
    stem, _, number = name.rpartition("_")  # an item that stands more than once
    if number.isdecimal() and stem in FIELDS:
        return Term(f"{FIELDS[stem]} {number}", name)
    return Term(name, name)


def value(*names: str) -> Term | str:
    """What a value says, or several bits of one; the bare name where there is no word."""
    if not names:
        return Term("无", "none")
    return Term("、".join(VALUES.get(name, name) for name in names), ", ".join(names))
